//! A store that fails, loses answers, hangs or panics.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt as _;
use serde_json::json;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::StoreError;
use tower::ServiceExt as _;

use crate::support::{Api, Fault, until};

fn away() -> Fault {
    Fault::Fails(StoreError::Unavailable("no route to secret-host".to_owned()))
}

#[tokio::test]
async fn while_the_database_is_away_clients_are_told_when_to_come_back() {
    let api = Api::new();
    api.add("a").await;
    for (method, path) in
        [("POST", "/tasks"), ("GET", "/tasks"), ("GET", "/tasks/1"), ("POST", "/tasks/1/cancel"), ("GET", "/healthz")]
    {
        api.script([away()]);
        let body = if path == "/tasks" { r#"{"title": "t"}"# } else { "" };
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = api.send(request).await;
        let detail = answer.problem(503);
        assert!(!detail.contains("secret-host"), "{detail}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{method} {path}");
    }
    assert_eq!(api.count(), 1);
    assert_eq!(api.add("b").await, 2);
}

#[tokio::test]
async fn what_nobody_can_mend_from_outside_is_not_told_outside() {
    let api = Api::new();
    api.script([Fault::Fails(StoreError::Refused("no table tasks on secret-host".to_owned()))]);
    let answer = api.post("/tasks", json!({ "title": "t" })).await;
    assert!(!answer.problem(500).contains("secret-host"));
    assert_eq!(answer.header("retry-after"), None);
}

#[tokio::test]
async fn a_lost_confirmation_is_cleared_up_where_a_key_allows_it() {
    let api = Api::new();
    api.script([Fault::Loses]);
    let key = [("idempotency-key", "k")];
    let answer = api.post_with("/tasks", &key, r#"{"title": "t"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.json()["task_id"].as_i64()), (200, Some(1)));
    assert_eq!(api.count(), 1);

    // Without a key, doing it again could do it twice.
    api.script([Fault::Loses]);
    let answer = api.post("/tasks", json!({ "title": "t" })).await;
    assert!(answer.problem(503).contains("may have been added or not"));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(api.count(), 2);
}

#[tokio::test]
async fn a_lost_confirmation_of_a_cancellation_is_found_in_the_row() {
    let api = Api::new();
    api.add("a").await;
    api.script([Fault::Loses]);
    assert_eq!(api.post("/tasks/1/cancel", json!({})).await.status, 200);
    assert_eq!(api.observer.count(Metric::TasksCancelled), 1);
}

#[tokio::test]
async fn a_panic_is_a_problem_of_one_request() {
    let api = Api::new();
    for (method, path) in [("POST", "/tasks"), ("GET", "/tasks"), ("POST", "/tasks/1/cancel"), ("GET", "/healthz")] {
        api.script([Fault::Panics]);
        let request = Request::builder().method(method).uri(path).body(Body::from(r#"{"title": "t"}"#)).unwrap();
        let answer = match (method, path) {
            ("POST", "/tasks/1/cancel") => api.post(path, json!({})).await,
            _ => api.send(request).await,
        };
        assert!(!answer.problem(500).contains("panics"), "{method} {path}");
    }
    assert_eq!(api.add("a").await, 1);
}

#[tokio::test]
async fn health_does_not_wait_for_a_database_that_hangs() {
    tokio::time::pause();
    let api = Api::new();
    api.script([Fault::Hangs]);
    let begun = tokio::time::Instant::now();
    let answer = api.get("/healthz").await;
    answer.problem(503);
    // Virtual time: balancers give up after some seconds.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(api.get("/healthz").await.json(), json!({ "status": "ok" }));
}

/// Otherwise the row could be there without a count.
#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_what_it_began() {
    let api = Api::new();
    let request = Request::post("/tasks").body(Body::from(r#"{"title": "t"}"#)).unwrap();
    let mut answer = Box::pin(api.router.clone().oneshot(request));
    // As far as it goes in one step: the work has begun, and the test's only thread has not got to it.
    assert!(answer.as_mut().now_or_never().is_none());
    drop(answer);
    until(|| api.observer.count(Metric::TasksAdded) == 1).await;
    assert_eq!(api.count(), 1);
}
