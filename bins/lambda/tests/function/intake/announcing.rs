//! What is added is announced before the answer; what was left behind, on a schedule.

use serde_json::{Value, json};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::Store as _;
use taskwatch_core::task::NewTask;
use taskwatch_core::time::Timestamp;
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use ureq::http::Request;

use super::desk::Desk;
use crate::support::{TEST, waiting};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What EventBridge sends.
fn schedule() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": "2026-11-23T12:00:00Z", "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/sweep"], "detail": {},
    })
}

/// Adds tasks and leaves their announcements behind.
fn add_announced(desk: &Desk, tasks: &[NewTask]) {
    let announcing = ConnectOptions { announces: true, ..desk.database.options.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect(TEST);
    runtime.block_on(async {
        let store = SqlStore::open(&announcing).await.expect(TEST);
        store.insert(tasks, &Origin::new(Source::Local, "test"), Timestamp::from_micros(1)).await.expect(TEST);
        store.close().await;
    });
}

/// The envelopes that the topic has delivered.
fn delivered(desk: &Desk, count: usize) -> Vec<Value> {
    let messages = desk.aws.drain(&desk.queue, count).expect(TEST);
    messages.iter().map(|message| serde_json::from_str(message["Body"].as_str().expect(TEST)).expect(TEST)).collect()
}

#[test]
fn a_task_is_announced_as_the_python_system_does_and_its_trace_goes_along() {
    let desk = Desk::deployed(&[]);
    let tasks = format!("{}/tasks", desk.behind("function_url"));
    let request = Request::post(tasks)
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body(json!({ "title": "Handle", "description": "Melk" }).to_string())
        .expect(TEST);
    assert_eq!(desk.send(request).json(200)["task_id"], 1);
    let [envelope] = delivered(&desk, 1).try_into().expect("one announcement");
    assert_eq!((&envelope["Subject"], &envelope["TopicArn"]), (&json!("New Task Added"), &json!(desk.topic)));
    let message: Value = serde_json::from_str(envelope["Message"].as_str().expect(TEST)).expect(TEST);
    assert_eq!(message, json!({ "task_id": 1, "title": "Handle", "description": "Melk" }));
    let traceparent = envelope["MessageAttributes"]["traceparent"]["Value"].as_str().expect("a trace");
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")), "{traceparent}");
    assert_eq!(desk.database.records()[0].entries[0].trace.as_deref(), Some(TRACE));
    assert_eq!(desk.invoke(&schedule())["payload"], json!({ "published": 0 }), "nothing is left behind");
}

#[test]
fn what_was_left_behind_is_announced_on_a_schedule() {
    let desk = Desk::deployed(&[]);
    add_announced(&desk, &["a", "b"].map(NewTask::titled));
    assert_eq!(desk.invoke(&schedule()), json!({ "error": null, "payload": { "published": 2 } }));
    assert_eq!(delivered(&desk, 2).len(), 2);
    assert_eq!(waiting(desk.aws, &desk.queue), 0, "once each");
}

#[test]
fn a_topic_that_is_gone_delays_and_the_invocation_says_so() {
    let desk = Desk::deployed(&[]);
    desk.aws.sns("DeleteTopic", &[("TopicArn", &desk.topic)]).expect(TEST);
    let tasks = format!("{}/tasks", desk.behind("function_url"));
    assert_eq!(desk.post(&tasks, &json!({ "title": "Handle" })).json(200)["task_id"], 1, "it is there all the same");
    // What has just failed is hidden for a while: another, so that the sweep meets the topic too.
    add_announced(&desk, &[NewTask::titled("another")]);
    let swept = desk.invoke(&schedule());
    assert_eq!(swept["payload"]["errorType"], "Taskwatch.NotAnnounced", "{swept}");
    assert!(swept["payload"]["errorMessage"].as_str().expect(TEST).contains("failed to announce 1 task"), "{swept}");
}

#[test]
fn an_event_that_is_neither_is_refused_so_that_no_queue_takes_it_for_done() {
    let desk = Desk::deployed(&[]);
    for event in [json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m", "body": "{}" }] }), json!(7)] {
        let refused = desk.invoke(&event);
        assert_eq!(refused["payload"]["errorType"], "Taskwatch.UnusableEvent", "{refused}");
        assert!(refused["error"].is_string(), "{refused}");
    }
}
