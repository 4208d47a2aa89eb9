//! What comes in: events of all kinds, and what must not be answered with success.

use serde_json::{Value, json};
use taskwatch_core::task::Status::{Completed, Pending};
use taskwatch_sqs_lambda::{EventError, InvocationError};

use crate::bench::{Bench, event, record, record_of};

fn refused(event: &Value) -> String {
    match Bench::new().work(event) {
        Err(InvocationError::Event(error)) => error.to_string(),
        other => panic!("{event}: {other:?}"),
    }
}

#[test]
fn a_batch_without_messages_has_no_failures() {
    assert_eq!(Bench::new().work(&event([])), Ok(vec![]));
}

#[test]
fn what_is_no_sqs_event_fails_the_invocation_and_says_what_it_is() {
    let text = refused(&json!({ "httpMethod": "POST", "path": "/tasks", "body": "{}" }));
    assert!(text.contains("no array `Records` (it has: body, httpMethod, path)"), "{text}");
    assert!(refused(&json!({})).contains("it has: nothing"));
    assert!(refused(&json!({ "Records": "many" })).contains("no array `Records`"));
    for (event, kind) in [(json!(null), "null"), (json!([]), "an array"), (json!("task 1"), "a string")] {
        assert!(refused(&event).contains(kind), "{event}");
    }
    let sns = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": "{\"task_id\": 1}" } }] });
    assert!(refused(&sns).contains("record 0 is from aws:sns"));
    let s3 = json!({ "Records": [{ "eventSource": "aws:s3", "messageId": "a", "body": "x" }] });
    assert!(refused(&s3).contains("record 0 is from aws:s3"));
    assert!(refused(&json!({ "Records": [7] })).contains("record 0 is a number"));
}

#[test]
fn a_message_that_no_response_could_name_fails_the_invocation_before_anything_runs() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "fine"]);
    for nameless in [json!(null), json!(""), json!(17)] {
        let mut second = record("b", two);
        second["messageId"] = nameless;
        let answer = bench.work(&event([record("a", one), second]));
        assert_eq!(answer, Err(InvocationError::Event(EventError::NoMessageId { index: 1 })));
    }
    assert!(bench.begun().is_empty());
    assert_eq!(bench.statuses(), [Pending, Pending]);
}

#[test]
fn odd_types_in_a_record_do_not_cost_its_neighbours_their_answer() {
    // The typed events of the AWS crates would refuse the whole batch.
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "fine"]);
    let mut odd = record("odd", one);
    odd["attributes"] = json!([1, 2]);
    odd["messageAttributes"] = json!({ "n": { "dataType": 7 } });
    odd["body"] = json!({ "task_id": one });
    odd["md5OfBody"] = json!(0);
    assert_eq!(bench.work(&event([odd, record("b", two)])), Ok(vec!["odd".to_owned()]));
    assert_eq!(bench.statuses(), [Pending, Completed]);
}

#[test]
fn an_announcement_in_its_sns_envelope_is_worked() {
    let bench = Bench::new();
    let [task] = bench.add(["fine"]);
    let message = json!({ "task_id": task, "title": "fine", "description": "d" }).to_string();
    let envelope = json!({
        "Type": "Notification", "MessageId": "m", "Subject": "New Task Added", "Message": message,
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:new-task-notification",
    });
    assert_eq!(bench.work(&event([record_of("a", &envelope.to_string())])), Ok(vec![]));
    assert_eq!(bench.statuses(), [Completed]);
}

#[test]
fn an_id_that_comes_twice_is_kept_if_either_is_and_named_once() {
    let bench = Bench::new();
    let [good, bad] = bench.add(["fine", "fails"]);
    let twice = event([record("a", good), record("b", good), record("a", bad), record("b", good)]);
    assert_eq!(bench.work(&twice), Ok(vec!["a".to_owned()]));
}
