//! Tasks worked by a service: a real one, which says what each task's title asks it to say.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::support::Place;

/// A call as it arrived.
#[derive(Debug, Clone)]
struct Call {
    body: Value,
    key: String,
    attempt: String,
    authorization: Option<String>,
}

type Calls = Arc<Mutex<Vec<Call>>>;

/// Runs until it is dropped.
struct Service {
    address: SocketAddr,
    calls: Calls,
    _runtime: Runtime,
}

impl Service {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let calls = Calls::default();
        let router = Router::new().route("/work", post(answer)).with_state(Arc::clone(&calls));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, calls, _runtime: runtime }
    }

    fn url(&self) -> String {
        format!("http://{}/work", self.address)
    }

    /// Those about tasks of this title, in order.
    fn calls(&self, title: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.body["title"] == title).cloned().collect()
    }
}

async fn answer(State(calls): State<Calls>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let body: Value = serde_json::from_str(&body).unwrap();
    let title = body["title"].as_str().unwrap().to_owned();
    let attempt = header("x-taskwatch-attempt").unwrap();
    let first = attempt == "1";
    let call = Call { body, key: header("idempotency-key").unwrap(), attempt, authorization: header("authorization") };
    let said = call.authorization.clone().unwrap_or_default();
    calls.lock().unwrap().push(call);
    match &*title {
        "busy" if first => (StatusCode::SERVICE_UNAVAILABLE, "come back").into_response(),
        "limited" if first => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", HeaderValue::from_static("2"))], "slow down")
                .into_response()
        }
        "wrong" => (StatusCode::UNPROCESSABLE_ENTITY, format!("no such invoice; you said {said}")).into_response(),
        "down" => StatusCode::BAD_GATEWAY.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

#[test]
fn what_a_service_answers_decides_over_the_attempt() {
    let service = Service::start();
    let place = Place::new();
    place.write("headers", "Authorization: Bearer s3cret-token\n");
    for title in ["fine", "busy", "limited", "wrong", "down"] {
        assert_eq!(place.run(["add", title, "--max-attempts", "3"]).code, Some(0));
    }
    let mut command = place.command(["run", "--until-empty", "--http", &service.url()]);
    command.args(["--set", "handler.http_headers_file=headers", "--set", "log.level=trace"]);
    command.args(["--set", "worker.backoff_base=1ms", "--set", "worker.backoff_cap=10ms"]);
    let ran: crate::support::Ran = command.output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed", "Completed", "Completed", "Failed", "Failed"], "{ran:?}");

    let attempts = |title: &str| -> Vec<_> { service.calls(title).into_iter().map(|call| call.attempt).collect() };
    assert_eq!((attempts("fine"), attempts("busy")), (vec!["1".into()], vec!["1".into(), "2".into()]));
    assert_eq!((attempts("wrong").len(), attempts("down").len()), (1, 3));
    let mut keys = HashSet::new();
    for (id, title) in (1..).zip(["fine", "busy", "limited", "wrong", "down"]) {
        let calls = service.calls(title);
        assert!(calls.iter().all(|call| call.key == calls[0].key), "constant across attempts: {calls:?}");
        assert!(keys.insert(calls[0].key.clone()), "another task, another key: {calls:?}");
        assert!(calls.iter().all(|call| call.body["task_id"] == id && call.body["max_attempts"] == 3), "{calls:?}");
        assert!(calls.iter().all(|call| call.authorization.as_deref() == Some("Bearer s3cret-token")), "{calls:?}");
    }

    let failure = |task: &str| {
        let record = place.json(["show", task, "--json"]);
        let entries = record["entries"].as_array().unwrap();
        let failed = entries.iter().find(|entry| entry["event"] == "Failed").unwrap();
        let wait = failed["due"].as_i64().unwrap() - failed["at"].as_i64().unwrap();
        (wait, failed["reason"].as_str().unwrap().to_owned())
    };
    let (backoff, reason) = failure("2");
    assert!(backoff <= 10_000 && reason.contains("503") && reason.contains("come back"), "{backoff} µs: {reason}");
    let (asked, reason) = failure("3");
    assert!(asked >= 1_900_000 && reason.contains("429"), "Retry-After is 2 s, not {asked} µs: {reason}");
    assert!(failure("4").1.contains("no such invoice"), "{}", failure("4").1);
    let everything = format!("{ran:?} {} {}", place.run(["show", "4"]).stdout, place.run(["settings"]).stdout);
    assert!(!everything.contains("s3cret"), "the service repeats it, the ledger and the log do not: {everything}");
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn a_service_that_is_not_there_is_tried_again_until_the_attempts_are_used_up() {
    let place = Place::new();
    place.run(["add", "x", "--max-attempts", "2"]);
    // Nothing has ever listened there.
    let mut command = place.command(["run", "--until-empty", "--http", "http://127.0.0.1:1/work"]);
    let ran: crate::support::Ran = command.args(["--set", "worker.backoff_base=1ms"]).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let record = place.json(["show", "1", "--json"]);
    assert_eq!((&record["row"]["status"], &record["row"]["attempt"]), (&"Failed".into(), &2.into()));
    let reason = record["row"]["reason"].as_str().unwrap();
    assert!(reason.contains("no connection to http://127.0.0.1:1"), "{reason}");
    for (url, word) in [("ftp://x/", "http"), ("http://u:hunter2@127.0.0.1/", "http_headers_file")] {
        let refused = place.run(["run", "--until-empty", "--http", url]);
        assert!(refused.code == Some(2) && refused.stderr.contains(word), "{refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn dead_letters_are_replayed_through_a_service() {
    let service = Service::start();
    let place = Place::new();
    place.run(["add", "wrong"]);
    place.run(["add", "fine"]);
    place.write("capture.jsonl", "{\"task_id\": 1, \"title\": \"wrong\"}\n{\"task_id\": 2, \"title\": \"fine\"}\n");
    let ran = place.run(["replay", "capture.jsonl", "--yes", "--http", &service.url()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("1 completed, 0 sent, 1 failed again"), "{ran:?}");
    assert_eq!(place.statuses(), ["Failed", "Completed"]);
}
