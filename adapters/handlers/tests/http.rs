//! The HTTP handler with a server that says what the test wants.
#![cfg(feature = "http")]

#[path = "../src/testing.rs"]
mod testing;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use taskwatch_core::ports::{Failure, FailureKind, Handler};
use taskwatch_handlers::{Http, MAX_RETRY_AFTER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(30);

/// A call as it arrived.
#[derive(Debug)]
struct Call {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Reads one call; `None` when the client has gone.
async fn read_call(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(start)) = request.parse(&bytes) {
            let line = format!("{} {}", request.method?, request.path?);
            let headers: BTreeMap<String, String> = request
                .headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
                .collect();
            let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if let Some(body) = bytes.get(start..start + length) {
                return Some(Call { line, headers, body: String::from_utf8_lossy(body).into_owned() });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

struct Server {
    listener: TcpListener,
    address: String,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        Self { listener, address }
    }

    fn url(&self) -> String {
        format!("http://{}/work", self.address)
    }

    /// Answers one call with these bytes and hangs up.
    async fn answer(&self, response: &str) -> Call {
        let (mut stream, _) = self.listener.accept().await.expect("a client comes");
        let call = read_call(&mut stream).await.expect("the client calls");
        stream.write_all(response.as_bytes()).await.expect("the client listens");
        call
    }

    /// What the handler makes of this answer to its first call.
    async fn outcome(&self, response: &str) -> Result<(), Failure> {
        let handler = Http::new(&self.url(), [], PATIENCE).expect("the URL is good");
        let (task, attempt) = testing::attempt(7, 2);
        let both = async { tokio::join!(handler.handle(&task, &attempt), self.answer(response)).0 };
        tokio::time::timeout(PATIENCE, both).await.expect("the handler calls the server")
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_service_gets_the_task_and_its_headers() {
    let server = Server::start().await;
    let headers = [("Authorization".to_owned(), "Bearer hunter2".to_owned())];
    let handler = Http::new(&server.url(), headers, PATIENCE).expect("the URL is good");
    let mut keys = Vec::new();
    for number in [1, 2] {
        let (task, attempt) = testing::attempt(7, number);
        let ok = response("204 No Content", "", "");
        let (outcome, call) = tokio::join!(handler.handle(&task, &attempt), server.answer(&ok));
        assert_eq!(outcome, Ok(()));
        assert_eq!(call.line, "POST /work");
        let body: serde_json::Value = serde_json::from_str(&call.body).expect("the body is JSON");
        assert_eq!((&body["task_id"], &body["attempt"]), (&7.into(), &number.into()));
        let header = |name: &str| call.headers.get(name).cloned().unwrap_or_default();
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("x-taskwatch-attempt"), number.to_string());
        assert_eq!(header("authorization"), "Bearer hunter2");
        assert!(header("traceparent").starts_with(&format!("00-{}-", testing::TRACE)), "{call:?}");
        keys.push(header("idempotency-key"));
    }
    assert_eq!(keys, ["key-7", "key-7"]);
}

#[tokio::test]
async fn the_status_decides() {
    let server = Server::start().await;
    assert_eq!(server.outcome(&response("200 OK", "", "fine")).await, Ok(()));
    for status in ["408 Request Timeout", "425 Too Early", "429 Too Many Requests", "500 Internal Server Error"] {
        let outcome = server.outcome(&response(status, "", "one\ntwo")).await;
        assert_eq!(outcome, Err(Failure::retry(format!("http://{} answered {status}: one | two", server.address))));
    }
    for status in ["400 Bad Request", "404 Not Found", "422 Unprocessable Entity"] {
        let outcome = server.outcome(&response(status, "Retry-After: 5\r\n", "")).await;
        assert_eq!(outcome, Err(Failure::permanent(format!("http://{} answered {status}", server.address))));
    }
}

/// Runs another test once more behind a proxy that is not there.
#[test]
fn this_machine_is_not_asked_through_a_proxy() {
    let again = std::process::Command::new(std::env::current_exe().expect("tests have a file"))
        .args(["--exact", "the_status_decides"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://192.0.2.1:9")))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .expect("the test can be started");
    let printed = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, elsewhere) = (Server::start().await, Server::start().await);
    for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect"] {
        let moved = response(status, &format!("location: {}\r\n", elsewhere.url()), "");
        let failure = tokio::select! {
            outcome = server.outcome(&moved) => outcome.expect_err("it fails"),
            call = elsewhere.answer("") => panic!("followed: {call:?}"),
        };
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert!(failure.reason.ends_with("redirects are not followed: give the final URL"), "{failure:?}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_within_reason() {
    let server = Server::start().await;
    let mut waits = Vec::new();
    let future = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1000));
    for wish in ["30", &future, "99999999", "soon", "0", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let busy = response("503 Service Unavailable", &format!("Retry-After: {wish}\r\n"), "");
        match server.outcome(&busy).await.expect_err("it fails").kind {
            FailureKind::Retry { after } => waits.push(after),
            other => panic!("{wish} made it {other:?}"),
        }
    }
    let by_date = waits.remove(1).expect("a date in the future is a wait");
    assert!(by_date > Duration::from_secs(900) && by_date <= Duration::from_secs(1000), "{by_date:?}");
    assert_eq!(waits, [Some(Duration::from_secs(30)), Some(MAX_RETRY_AFTER), None, None, None]);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_tried_again() {
    let gone = Server::start().await;
    let url = gone.url();
    drop(gone.listener);
    let handler = Http::new(&format!("{url}?key=hunter2-hunter2"), [], PATIENCE).expect("the URL is good");
    let (task, attempt) = testing::attempt(7, 2);
    let failure = handler.handle(&task, &attempt).await.expect_err("nobody is there");
    assert_eq!(failure.kind, FailureKind::NotBegun);
    assert!(failure.reason.starts_with(&format!("no connection to http://{}: ", gone.address)), "{failure:?}");
    assert!(failure.reason.contains("refused") && !failure.reason.contains("hunter2"), "{failure:?}");

    let server = Server::start().await;
    let failure = server.outcome("").await.expect_err("it hangs up");
    assert_eq!(failure.kind, FailureKind::CutOff);
    assert!(failure.reason.starts_with(&format!("no answer from http://{}: ", server.address)), "{failure:?}");
}

#[tokio::test]
async fn the_time_limit_cuts_a_silent_service_off() {
    let server = Server::start().await;
    let handler = Http::new(&server.url(), [], Duration::from_millis(300)).expect("the URL is good");
    let (task, attempt) = testing::attempt(7, 2);
    let silent = async {
        let (mut stream, _) = server.listener.accept().await.expect("a client comes");
        read_call(&mut stream).await.expect("the client calls");
        // Ends when the client has closed the connection.
        assert!(read_call(&mut stream).await.is_none());
    };
    let both = async { tokio::join!(handler.handle(&task, &attempt), silent).0 };
    let outcome = tokio::time::timeout(PATIENCE, both).await;
    let reason = format!("http://{} did not answer within the time limit of 300ms", server.address);
    assert_eq!(outcome, Ok(Err(Failure::cut_off(reason))));
}

#[tokio::test]
async fn an_endless_or_stalled_body_is_quoted_in_part() {
    let server = Server::start().await;
    let handler = Http::new(&server.url(), [], PATIENCE).expect("the URL is good");
    let (task, attempt) = testing::attempt(7, 2);
    let endless = async {
        let (mut stream, _) = server.listener.accept().await.expect("a client comes");
        read_call(&mut stream).await.expect("the client calls");
        let head = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 999999999999\r\n\r\n";
        stream.write_all(head).await.expect("the client listens");
        // Until the client hangs up.
        let mut sent = 0_u64;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {
            sent += 65536;
        }
        sent
    };
    let both = async { tokio::join!(handler.handle(&task, &attempt), endless) };
    let (outcome, sent) = tokio::time::timeout(PATIENCE, both).await.expect("the client hangs up");
    assert!(sent < 50_000_000, "{sent} bytes fit into no socket's buffers: they have been read");
    let reason = format!("http://{} answered 400 Bad Request: {}…", server.address, "x".repeat(500));
    assert_eq!(outcome, Err(Failure::permanent(reason)));

    let stalled = async {
        let (mut stream, _) = server.listener.accept().await.expect("a client comes");
        read_call(&mut stream).await.expect("the client calls");
        let start = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 999\r\n\r\nwait for";
        stream.write_all(start).await.expect("the client listens");
        read_call(&mut stream).await
    };
    let both = async { tokio::join!(handler.handle(&task, &attempt), stalled).0 };
    let outcome = tokio::time::timeout(PATIENCE, both).await.expect("the client hangs up");
    let reason = format!("http://{} answered 400 Bad Request: wait for", server.address);
    assert_eq!(outcome, Err(Failure::permanent(reason)));
}

#[tokio::test]
async fn secrets_are_not_told() {
    let server = Server::start().await;
    let headers = [("Authorization".to_owned(), "Bearer hunter2-hunter2".to_owned())];
    let url = format!("{}?key=hunter3-hunter3", server.url());
    let handler = Http::new(&url, headers, PATIENCE).expect("the URL is good");
    let debug = format!("{handler:?}");
    assert!(debug.contains("authorization") && !debug.contains("hunter") && !debug.contains("work"), "{debug}");

    let (task, attempt) = testing::attempt(7, 2);
    let echo = response("401 Unauthorized", "", "no: Bearer hunter2-hunter2 for hunter3-hunter3, hunter2-hunter2");
    let (outcome, _) = tokio::join!(handler.handle(&task, &attempt), server.answer(&echo));
    let reason = outcome.expect_err("it fails").reason;
    assert!(reason.ends_with(": no: [secret] for [secret], [secret]"), "{reason}");
}

#[tokio::test]
async fn an_idempotency_key_that_fits_no_header_is_not_sent() {
    let handler = Http::new("http://127.0.0.1:1/", [], PATIENCE).expect("the URL is good");
    let (task, mut attempt) = testing::attempt(7, 2);
    attempt.idempotency_key = "a\r\nX-Evil: 1".to_owned();
    let failure = handler.handle(&task, &attempt).await.expect_err("it cannot be sent");
    assert_eq!(failure.kind, FailureKind::Permanent);
}

#[test]
fn impossible_calls_are_refused_without_their_secrets() {
    let refused = |url: &str, header: Option<(&str, &str)>| {
        let headers = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Http::new(url, headers, PATIENCE).expect_err("the call is bad").to_string()
    };
    assert_eq!(refused("hunter2", None), "the URL cannot be read: relative URL without a base");
    assert_eq!(refused("ftp://host/hunter2", None), "the URL begins with ftp:// but should with http:// or https://");
    assert_eq!(
        refused("http://me:hunter2@host/", None),
        "the URL holds a user name or password: give an Authorization header instead"
    );
    let with = |name, value| refused("http://host/", Some((name, value)));
    assert_eq!(with("a b", "hunter2"), "\"a b\" cannot be the name of a header");
    assert_eq!(with("X-Key", "hunter2\n"), "the value of the header X-Key has characters that no header can hold");
    assert_eq!(with("Idempotency-Key", "1"), "the header Idempotency-Key is sent by taskwatch itself: leave it out");
    assert!(Http::new("http://host/", [], Duration::ZERO).is_err());
}

#[tokio::test]
async fn a_success_is_one_even_if_its_body_never_ends() {
    let server = Server::start().await;
    let handler = Http::new(&server.url(), [], Duration::from_secs(1)).expect("the URL is good");
    let (task, attempt) = testing::attempt(7, 1);
    let answer = async {
        let (mut stream, _) = server.listener.accept().await.expect("a client comes");
        read_call(&mut stream).await.expect("the client calls");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nso far").await.expect("the client reads");
        stream
    };
    let (outcome, _open) = tokio::join!(handler.handle(&task, &attempt), answer);
    assert_eq!(outcome, Ok(()));
}
