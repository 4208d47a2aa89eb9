//! `POST /tasks`

use std::sync::Arc;

use serde_json::json;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Records as _;
use taskwatch_core::task::{OnAbandon, TaskId};
use taskwatch_http_intake::{Intake, Options, router};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use taskwatch_testkit::CountingObserver;

use crate::support::{Api, NOW, engine};

#[tokio::test]
async fn a_task_is_added_as_the_python_system_did() {
    let api = Api::new();
    let answer = api.post("/tasks", json!({ "title": "Handle", "description": "Melk og brød" })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), json!({ "message": "Task added successfully", "task_id": 1 }));
    let list = api.get("/tasks").await;
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(
        list.json(),
        json!([{ "id": 1, "title": "Handle", "description": "Melk og brød", "status": "Pending" }])
    );
    assert_eq!(api.observer.count(Metric::TasksAdded), 1);
}

#[tokio::test]
async fn a_task_may_say_how_it_wants_to_be_worked() {
    let api = Api::new();
    let body = json!({
        "title": "Nightly report", "description": null, "not_before": "2026-12-01T03:00:00.5+01:00",
        "max_attempts": 3, "on_abandon": "fail",
    });
    assert_eq!(api.post("/tasks", body).await.status, 200);
    let row = api.store.rows.snapshot().remove(0).row.unwrap();
    assert_eq!((row.max_attempts, row.on_abandon, row.description), (Some(3), OnAbandon::Fail, None));
    assert_eq!(row.due.as_micros(), 1_796_090_400_500_000);
}

#[tokio::test]
async fn a_time_that_has_passed_means_at_once() {
    let api = Api::new();
    for time in ["2026-11-23T11:59:59Z", "0000-01-01T00:00:00Z"] {
        assert_eq!(api.post("/tasks", json!({ "title": "t", "not_before": time })).await.status, 200);
    }
    assert!(api.store.rows.snapshot().iter().all(|record| record.row.as_ref().unwrap().due == NOW));
}

#[tokio::test]
async fn the_same_key_adds_one_task() {
    let api = Api::new();
    let key = [("idempotency-key", "invoice-4711")];
    let first = api.post_with("/tasks", &key, r#"{"title": "Once"}"#).await;
    let again = api.post_with("/tasks", &key, r#"{"title": "Once"}"#).await;
    let other = api.post_with("/tasks", &[("idempotency-key", "invoice-4712")], r#"{"title": "Once"}"#).await;
    assert_eq!((first.status, again.status), (first.status, first.status));
    assert_eq!((first.json()["task_id"].clone(), again.json()["task_id"].clone()), (json!(1), json!(1)));
    assert_ne!(first.json()["message"], again.json()["message"]);
    assert_eq!(other.json()["task_id"], 2);
    assert_eq!((api.count(), api.observer.count(Metric::TasksAdded)), (2, 2));
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_refused() {
    let api = Api::new();
    for key in ["", "two words", "schlüssel", &"k".repeat(256)] {
        let answer = api.post_with("/tasks", &[("idempotency-key", key)], r#"{"title": "t"}"#).await;
        assert!(answer.problem(400).contains("Idempotency-Key"), "{key}");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    api.post_with("/tasks", &twice, r#"{"title": "t"}"#).await.problem(400);
    assert_eq!(api.count(), 0);
    let longest = "k".repeat(255);
    assert_eq!(api.post_with("/tasks", &[("idempotency-key", &longest)], r#"{"title": "t"}"#).await.status, 200);
}

#[tokio::test]
async fn fields_keep_to_their_limits() {
    let api = Api::new();
    let good = [
        json!({ "title": "ü".repeat(255) }),
        json!({ "title": "t", "description": "x".repeat(65_535) }),
        json!({ "title": "t", "description": "" }),
        json!({ "title": "a\nb" }),
        json!({ "title": "t", "max_attempts": 1 }),
        json!({ "title": "t", "max_attempts": 3.0 }),
        json!({ "title": "t", "max_attempts": 1000, "on_abandon": null, "not_before": null }),
    ];
    for body in &good {
        assert_eq!(api.post("/tasks", body.clone()).await.status, 200, "{body}");
    }
    let bad = [
        (json!({}), "title"),
        (json!({ "title": null }), "title"),
        (json!({ "title": 7 }), "title"),
        (json!({ "title": "" }), "title"),
        (json!({ "title": " \t\u{85}\u{7f}\u{3000}" }), "title"),
        (json!({ "title": "ü".repeat(256) }), "255"),
        (json!({ "title": "a\0b" }), "NUL"),
        (json!({ "title": "t", "description": "ü".repeat(32_768) }), "65535 bytes"),
        (json!({ "title": "t", "description": "a\0b" }), "NUL"),
        (json!({ "title": "t", "description": ["x"] }), "description"),
        (json!({ "title": "t", "max_attempts": 0 }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": 1001 }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": -1 }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": 1.5 }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": 1e300 }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": u64::MAX }), "max_attempts"),
        (json!({ "title": "t", "max_attempts": "3" }), "max_attempts"),
        (json!({ "title": "t", "on_abandon": "explode" }), "on_abandon"),
        (json!({ "title": "t", "not_before": "tomorrow" }), "expected a time"),
        (json!({ "title": "t", "not_before": 1_764_554_400 }), "not_before"),
        (json!({ "title": "t", "not_befor": "2026-12-01T02:00:00Z" }), "not_befor"),
        (json!({ "title": "t", "status": "Completed" }), "status"),
        (json!([]), ""),
        (json!("title"), ""),
        (json!(null), ""),
    ];
    for (body, said) in bad {
        let detail = api.post("/tasks", body.clone()).await.problem(422);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(api.count(), good.len());
    let attempts = api.store.rows.snapshot().into_iter().filter_map(|record| record.row.unwrap().max_attempts);
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 3, 1000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_with_the_same_key_add_one_task_to_a_real_database() {
    let folder = tempfile::tempdir().unwrap();
    let options = ConnectOptions::new(format!("sqlite:{}", folder.path().join("tasks.db").display()));
    let store = Arc::new(SqlStore::open(&options).await.unwrap());
    store.migrate().await.unwrap();
    let observer = Arc::new(CountingObserver::default());
    let engine = engine(store.clone(), Arc::clone(&observer));
    let records = store.clone();
    let router = router(Intake { engine, records, relay: None, options: Options::default() });
    let api = Api { router, ..Api::new() };
    let requests = (0..20).map(|n| {
        let api = api.clone();
        tokio::spawn(async move {
            let body = json!({ "title": format!("request {n}") }).to_string();
            api.post_with("/tasks", &[("idempotency-key", "the-same")], body).await
        })
    });
    for answer in futures_util::future::join_all(requests).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.json()["task_id"].as_i64()), (200, Some(1)));
    }
    let record = store.record(TaskId::try_from(1).unwrap()).await.unwrap().unwrap();
    assert_eq!(record.entries.len(), 1);
    assert!(store.record(TaskId::try_from(2).unwrap()).await.unwrap().is_none());
    assert_eq!(observer.count(Metric::TasksAdded), 1);
    store.close().await;
}
