//! The bytes as a body.

use serde_json::{Map, Value, json};
use taskwatch_core::task::TaskId;
use taskwatch_sqs_message::{
    Body, MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_NESTING, Nesting, Unreadable, Wrapping, read_body,
};

use crate::reason;

/// Bodies of the largest size are tried for one text in so many, as they take long.
const LARGE: usize = 64;

pub(crate) fn check(text: &str) {
    let parsed = serde_json::from_str::<Value>(text);
    if let Ok(value) = &parsed {
        assert!(Nesting::default().feed(text.as_bytes()) >= depth(value), "nesting is counted too low");
    }
    match read_body(text) {
        Ok(body) => {
            let value = parsed.expect("what is read is JSON");
            assert!(depth(&value) <= MAX_NESTING);
            assert!(body.attributes.len() <= MAX_ATTRIBUTES);
            check_trace(body.trace.as_deref());
            check_source(&body, &value);
            check_again(&body, text);
            if text.len().is_multiple_of(LARGE) {
                check_size(&body, text);
            }
        }
        Err(why) => {
            reason::check(&why.to_string());
            if let (Unreadable::NotJson { .. }, Ok(value)) = (&why, &parsed) {
                assert!(value["Message"].is_string(), "the body is JSON");
            }
        }
    }
}

/// The id is the one in the text, found by other means.
fn check_source(body: &Body, value: &Value) {
    let inner;
    let announcement = match &body.wrapped {
        Wrapping::Raw => value,
        Wrapping::Sns { .. } => {
            let message = value["Message"].as_str().expect("an envelope has a message");
            inner = serde_json::from_str(message).expect("what is read is JSON");
            &inner
        }
    };
    let id = &announcement["task_id"];
    let expected = id.as_i64().or_else(|| id.as_str()?.parse().ok());
    assert_eq!(expected, Some(body.task.get()), "{id}");
    assert!(body.task.get() > 0);
}

/// What was read reads back as itself, announced anew, raw and wrapped; and so does the text in another envelope.
fn check_again(body: &Body, text: &str) {
    let Body { task, title, description, trace, .. } = body;
    let traceparent = trace.as_ref().map(|trace| format!("00-{trace}-00f067aa0ba902b7-01"));
    let raw = json!({ "task_id": task, "title": title, "description": description, "traceparent": traceparent });
    let expected = Body { wrapped: Wrapping::Raw, attributes: [].into(), ..body.clone() };
    assert_eq!(read_body(&raw.to_string()).as_ref(), Ok(&expected));

    let attributes: Map<String, Value> = body
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), json!({ "Type": "String", "Value": value })))
        .collect();
    let (topic, subject, message_id) = match &body.wrapped {
        Wrapping::Raw => (None, None, None),
        Wrapping::Sns { topic, subject, message_id } => (topic.clone(), subject.clone(), message_id.clone()),
    };
    let envelope = json!({
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic,
        "Subject": subject,
        "Message": raw.to_string(),
        "MessageAttributes": attributes,
    });
    let expected = Body { wrapped: Wrapping::Sns { topic, subject, message_id }, ..body.clone() };
    assert_eq!(read_body(&envelope.to_string()), Ok(expected));

    if body.wrapped == Wrapping::Raw {
        let envelope = json!({ "Type": "Notification", "Message": text });
        assert_eq!(read_body(&envelope.to_string()).map(|body| body.task), Ok(*task));
    }
}

/// Each positive number is an id, to the last digit, as a number and as text; no other number is.
pub(crate) fn check_id(bytes: &[u8]) {
    let Some(first) = bytes.first_chunk() else { return };
    let id = i64::from_le_bytes(*first);
    for shown in [json!(id), json!(id.to_string())] {
        let read = task(&json!({ "task_id": shown }).to_string()).map(TaskId::get);
        assert_eq!(read, (id > 0).then_some(id), "{shown}");
    }
}

/// What SQS can deliver is read, and not a byte more.
fn check_size(body: &Body, text: &str) {
    let mut padded = " ".repeat(MAX_BODY_BYTES.saturating_sub(text.len()));
    padded.push_str(text);
    if padded.len() == MAX_BODY_BYTES {
        assert_eq!(read_body(&padded).as_ref(), Ok(body));
        padded.push(' ');
    }
    assert_eq!(read_body(&padded), Err(Unreadable::TooLarge(padded.len())));
}

pub(crate) fn check_trace(trace: Option<&str>) {
    let Some(trace) = trace else { return };
    assert!(trace.len() == 32 && trace.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{trace}");
    assert!(trace.bytes().any(|byte| byte != b'0'));
}

/// Announces a task, however it is wrapped.
pub(crate) fn task(text: &str) -> Option<TaskId> {
    read_body(text).ok().map(|body| body.task)
}

/// The parser stops at 128.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
