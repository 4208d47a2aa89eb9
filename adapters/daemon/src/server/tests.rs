//! Clients that take their time.

use axum::body::Bytes;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::*;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// For limits that a test does not want to meet.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

const LIMITS: Limits = Limits { connections: 10, head: LONG, answer: LONG, last_head: LONG };

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Serves in the background; answers the address, what tells it to stop, and what its end answers.
async fn served(
    router: Router,
    limits: Limits,
) -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = Stop::when(async {
        // A test that has dropped it wants no stop.
        if stopped.await.is_err() {
            std::future::pending().await
        }
    });
    let server = tokio::spawn(async move { serve(listener, router, limits, &stopped, LONG).await });
    (address, stop, server)
}

async fn send(address: std::net::SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("it is closed in time").unwrap();
    text
}

#[tokio::test]
async fn who_stalls_in_the_head_or_between_requests_is_cut_off() {
    let (address, _stop, _server) = served(hello(), Limits { head: SHORT, ..LIMITS }).await;
    assert_eq!(rest(send(address, "").await).await, "");
    assert_eq!(rest(send(address, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await).await, "");
    let answered = rest(send(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await).await;
    assert!(answered.starts_with("HTTP/1.1 200") && answered.ends_with("hello"), "{answered}");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // More than the kernel keeps for both sides.
    let large = Router::new().route("/", get(|| async { Bytes::from(vec![b'x'; 64 << 20]) }));
    let _client = send(listener.local_addr().unwrap(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (stream, _) = listener.accept().await.unwrap();
    let served = connection(stream, large, Limits { answer: SHORT, ..LIMITS }, Stop::never());
    timeout(PATIENCE, served).await.expect("it ends in time");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let (address, _stop, _server) = served(hello(), LIMITS).await;
    // Not a byte more than is read of it: what is left unread may keep the answer from arriving.
    let begin = "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ";
    let request = format!("{begin}{}", "x".repeat(HEAD - begin.len()));
    let answered = rest(send(address, &request).await).await;
    assert!(answered.starts_with("HTTP/1.1 431"), "{answered}");
}

#[tokio::test]
async fn one_connection_too_many_waits_for_another_to_end() {
    let came = Arc::new(Notify::new());
    let second = Arc::clone(&came);
    let router = Router::new()
        .route(
            "/first",
            get(move || async move { if timeout(SHORT, came.notified()).await.is_ok() { "two" } else { "one" } }),
        )
        .route("/second", get(move || async move { second.notify_one() }));
    let (address, _stop, _server) = served(router, Limits { connections: 1, ..LIMITS }).await;
    let close = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let first = send(address, &format!("GET /first {close}")).await;
    let second = send(address, &format!("GET /second {close}")).await;
    assert!(rest(first).await.ends_with("\r\n\r\none"), "both were let in");
    assert!(rest(second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn only_a_request_that_has_arrived_keeps_it_when_it_is_to_stop() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let router = hello().route(
        "/slow",
        get(move || async move {
            tell.notify_one();
            wait.notified().await;
            "at last"
        }),
    );
    let (address, stop, server) = served(router, Limits { last_head: SHORT, ..LIMITS }).await;
    let silent = send(address, "").await;
    let stalled = send(address, "GET / HTTP/1.1\r\nHost:").await;
    let slow = send(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    timeout(PATIENCE, begun.notified()).await.unwrap();
    stop.send(()).unwrap();
    assert_eq!((rest(silent).await, rest(stalled).await), (String::new(), String::new()));
    assert!(!server.is_finished());
    go_on.notify_one();
    assert!(rest(slow).await.ends_with("at last"));
    assert!(timeout(PATIENCE, server).await.expect("it ends in time").unwrap(), "nothing had to be cut off");
}
