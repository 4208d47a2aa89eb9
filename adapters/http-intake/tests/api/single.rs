//! `GET /tasks/{id}` and `POST /tasks/{id}/cancel`

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use taskwatch_core::metric::Metric;

use crate::support::Api;

#[tokio::test]
async fn a_task_is_shown_with_its_ledger() {
    let api = Api::new();
    api.add("Handle").await;
    api.post("/tasks/1/cancel", json!({ "reason": "the customer called" })).await;
    let answer = api.get("/tasks/1").await;
    assert_eq!(answer.status, 200);
    let now = "2026-11-23T12:00:00Z";
    let entry = |seq, event, from, to, reason| {
        json!({
            "seq": seq, "event": event, "from": from, "to": to, "attempt": 0, "at": now, "due": now,
            "source": "local", "worker": "api", "reason": reason, "trace": null,
        })
    };
    let why = "by HTTP: the customer called";
    assert_eq!(
        answer.json(),
        json!({
            "id": 1, "title": "Handle", "description": null, "status": "Cancelled", "recorded": "Cancelled",
            "attempt": 0, "max_attempts": null, "on_abandon": "retry", "due": now, "created": now, "reason": why,
            "ledger": [
                entry(1, "Added", json!(null), "Pending", json!(null)),
                entry(2, "Cancelled", json!("Pending"), "Cancelled", json!(why)),
            ],
        })
    );
}

#[tokio::test]
async fn a_row_of_another_program_is_shown_as_it_stands() {
    let api = Api::new();
    api.store.rows.foreign_insert("by hand", "on hold");
    let task = api.get("/tasks/1").await.json();
    assert_eq!((&task["status"], &task["recorded"], &task["ledger"]), (&json!("on hold"), &json!(null), &json!([])));
}

#[tokio::test]
async fn what_is_no_id_is_told_from_what_is_no_task() {
    let api = Api::new();
    for (id, status) in [
        ("1", 404),
        ("9223372036854775807", 404),
        ("0", 400),
        ("-1", 400),
        ("+1", 400),
        ("01", 400),
        ("1.0", 400),
        ("x", 400),
        ("%20", 400),
        ("%FF", 400),
        ("9223372036854775808", 400),
        ("99999999999999999999999999", 400),
    ] {
        api.get(&format!("/tasks/{id}")).await.problem(status);
        api.post(&format!("/tasks/{id}/cancel"), json!({})).await.problem(status);
    }
}

#[tokio::test]
async fn a_row_that_is_gone_is_no_task_any_more() {
    let api = Api::new();
    api.add("gone").await;
    api.store.rows.foreign_delete(1.try_into().unwrap());
    api.get("/tasks/1").await.problem(404);
    api.post("/tasks/1/cancel", json!({})).await.problem(404);
}

#[tokio::test]
async fn a_task_is_called_off_once() {
    let api = Api::new();
    api.add("a").await;
    let answer = api.post("/tasks/1/cancel", json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.json()["task_id"].as_i64()), (200, Some(1)));
    let detail = api.post("/tasks/1/cancel", json!({})).await.problem(409);
    assert!(detail.contains("Cancelled"), "{detail}");
    assert_eq!(api.observer.count(Metric::TasksCancelled), 1);
}

#[tokio::test]
async fn a_cancellation_needs_no_body_and_no_content_type() {
    let api = Api::new();
    for id in 1..=4 {
        assert_eq!(api.add("a").await, id);
    }
    let bare = Request::post("/tasks/1/cancel").body(Body::empty()).unwrap();
    assert_eq!(api.send(bare).await.status, 200);
    assert_eq!(api.post_with("/tasks/2/cancel", &[], "").await.status, 200);
    assert_eq!(api.post("/tasks/3/cancel", json!({ "reason": null })).await.status, 200);
    assert_eq!(api.post("/tasks/4/cancel", json!(null)).await.status, 200);
    let reasons = api.store.rows.snapshot().into_iter().map(|record| record.row.unwrap().reason);
    assert!(reasons.into_iter().all(|reason| reason.as_deref() == Some("by HTTP")));
}

#[tokio::test]
async fn a_reason_keeps_to_its_limits() {
    let api = Api::new();
    for (reason, said) in [(json!("ü".repeat(901)), "900"), (json!("a\0b"), "NUL"), (json!(7), "reason")] {
        let detail = api.post("/tasks/1/cancel", json!({ "reason": reason })).await.problem(422);
        assert!(detail.contains(said), "{detail}");
    }
    api.post("/tasks/1/cancel", json!({ "why": "x" })).await.problem(422);
    api.add("a").await;
    let longest = "ü".repeat(900);
    assert_eq!(api.post("/tasks/1/cancel", json!({ "reason": longest })).await.status, 200);
    let kept = api.store.rows.snapshot().remove(0).row.unwrap().reason.unwrap();
    assert_eq!(kept, format!("by HTTP: {longest}"));
}
