use serde_json::json;
use taskwatch_sqs_message::{Attribute, SqsRecord};

use super::*;
use crate::journal::Edited;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An entry with this body and nothing else.
pub(crate) fn entry(body: &str) -> Entry {
    let record = SqsRecord { body: Some(body.to_owned()), ..SqsRecord::default() };
    Entry {
        number: 7.into(),
        state: State::Kept,
        content: Content::Message(Received { record, attributes: BTreeMap::new() }),
        message_id: Some("message-1".to_owned()),
        place: None,
        captured_at: Timestamp::from_micros(5_000_000),
        times: 1,
        begins: 0,
        changed: None,
        outcome: None,
        why: None,
        destination: None,
        edited: None,
    }
}

/// The same with attributes of the message, all text, and of the system.
pub(crate) fn with(mut entry: Entry, message: &[(&str, &str)], system: &[(&str, &str)]) -> Entry {
    if let Content::Message(received) = &mut entry.content {
        for (name, text) in message {
            received.record.message_attributes.insert((*name).to_owned(), (*text).to_owned());
            let value = AttributeValue::Text((*text).to_owned());
            let data_type = "String".to_owned();
            received.attributes.insert((*name).to_owned(), Attribute { data_type, value });
        }
        let system = system.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        received.record.attributes.extend(system);
    }
    entry
}

fn task(id: i64) -> TaskId {
    id.try_into().expect("positive")
}

#[test]
fn a_dead_letter_of_ours_says_why_when_and_where() {
    let letter = Letter::of(&with(
        entry(r#"{"task_id": 41, "title": "Sweep"}"#),
        &[
            ("TaskwatchReason", "failed for good: never"),
            ("TaskwatchAt", "2025-11-20T10:11:12.345678Z"),
            ("TaskwatchSourceQueue", "arn:aws:sqs:eu-west-1:123456789012:tasks"),
            ("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01")),
        ],
        &[
            ("ApproximateReceiveCount", "3"),
            ("SentTimestamp", "1763633471000"),
            ("MessageGroupId", "blue"),
            ("DeadLetterQueueSourceArn", "arn:aws:sqs:eu-west-1:123456789012:another"),
        ],
    ));
    assert!(letter.body == Decoded::Json(json!({ "task_id": 41, "title": "Sweep" })));
    assert_eq!(letter.task, Ok(task(41)));
    assert_eq!(letter.title(), Some("Sweep"));
    assert_eq!(letter.reason.as_deref(), Some("failed for good: never"));
    assert_eq!(letter.died_at, Some(Timestamp::from_micros(1_763_633_472_345_678)));
    assert_eq!(letter.sent_at, Some(Timestamp::from_micros(1_763_633_471_000_000)));
    assert_eq!(letter.since(), Timestamp::from_micros(1_763_633_471_000_000));
    assert_eq!(letter.source_queue.as_deref(), Some("arn:aws:sqs:eu-west-1:123456789012:tasks"));
    assert_eq!((letter.receives, letter.group.as_deref()), (3, Some("blue")));
    assert_eq!(letter.trace.as_deref(), Some(TRACE));
    assert_eq!(letter.attributes.len(), 4);
    assert_eq!((letter.number, letter.state), (7.into(), State::Kept));
    assert_eq!(letter.message_id.as_deref(), Some("message-1"));
}

#[test]
fn what_sqs_moved_by_itself_says_only_where_it_was() {
    let system = [
        ("DeadLetterQueueSourceArn", "arn:aws:sqs:eu-west-1:123456789012:tasks"),
        ("AWSTraceHeader", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=53995c3f42cd8ad8;Sampled=1"),
    ];
    let letter = Letter::of(&with(entry(r#"{"task_id": 1}"#), &[("TaskwatchReason", " ")], &system));
    assert_eq!((letter.reason, letter.died_at, letter.sent_at), (None, None, None));
    assert_eq!(letter.source_queue.as_deref(), Some("arn:aws:sqs:eu-west-1:123456789012:tasks"));
    assert_eq!(letter.trace.as_deref(), Some(TRACE));
    assert_eq!(letter.receives, 1);
    assert_eq!(letter.captured_at, Timestamp::from_micros(5_000_000));
}

#[test]
fn an_envelope_is_taken_off_and_its_attributes_give_way_to_the_messages_own() {
    let attribute = |text: &str| json!({ "Type": "String", "Value": text });
    let envelope = json!({
        "Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:topic",
        "Message": r#"{"task_id": "12", "title": ""}"#,
        "MessageAttributes": { "channel": attribute("web"), "shop": attribute("3") },
    });
    let letter = Letter::of(&with(entry(&envelope.to_string()), &[("channel", "phone")], &[]));
    assert!(letter.body == Decoded::Json(json!({ "task_id": "12", "title": "" })));
    assert_eq!((letter.task.clone(), letter.title()), (Ok(task(12)), None));
    let attributes: Vec<_> = letter.attributes.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(attributes, [("channel", "phone"), ("shop", "3")]);
}

#[test]
fn bytes_among_the_attributes_are_shown_in_base64() {
    let mut entry = entry(r#"{"task_id": 1}"#);
    if let Content::Message(received) = &mut entry.content {
        let value = AttributeValue::Base64("AAEC".to_owned());
        received.attributes.insert("photo".to_owned(), Attribute { data_type: "Binary".to_owned(), value });
    }
    assert_eq!(Letter::of(&entry).attributes.get("photo").map(String::as_str), Some("AAEC"));
}

#[test]
fn what_cannot_be_read_says_why_and_is_shown() {
    for (body, decoded, why) in [
        ("nonsense", Decoded::Text("nonsense".to_owned()), "the body is not JSON"),
        ("[1]", Decoded::Json(json!([1])), "the body is an array"),
        (r#"{"task_id": 0}"#, Decoded::Json(json!({ "task_id": 0 })), "`task_id` is 0"),
    ] {
        let letter = Letter::of(&entry(body));
        assert!(letter.body == decoded, "{body}");
        assert!(letter.task.as_ref().is_err_and(|said| said.starts_with(why)), "{:?}", letter.task);
        assert_eq!(letter.title(), None);
    }
    let mut empty = entry("");
    if let Content::Message(received) = &mut empty.content {
        received.record.body = None;
    }
    let letter = Letter::of(&empty);
    assert!(letter.body == Decoded::Text(String::new()));
    assert!(letter.task.is_err_and(|said| said.starts_with("the record has no `body`")));
}

#[test]
fn a_broken_piece_is_text_if_it_is_any() {
    let broken = |raw: &[u8]| {
        let content = Content::Broken { raw: raw.to_vec(), why: "cut off".to_owned() };
        Letter::of(&Entry { content, message_id: None, ..entry("") })
    };
    let text = broken(br#"{"task_id": 1"#);
    assert!(text.body == Decoded::Text(r#"{"task_id": 1"#.to_owned()));
    assert_eq!((text.task, text.receives), (Err("cut off".to_owned()), 1));
    assert!(broken(b"\xff\x00").body == Decoded::Bytes(b"\xff\x00".to_vec()));
}

#[test]
fn an_edited_body_is_the_one_that_counts() {
    let content = Content::Broken { raw: b"{".to_vec(), why: "cut off".to_owned() };
    let entries = [entry(r#"{"task_id": 1}"#), Entry { content, ..entry("") }];
    for entry in entries {
        let edited = Some(Edited(r#"{"task_id": 2, "title": "new"}"#.to_owned()));
        let letter = Letter::of(&Entry { edited, ..entry });
        assert_eq!((letter.task.clone(), letter.title()), (Ok(task(2)), Some("new")));
    }
}

#[test]
fn deep_nesting_is_only_text() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let letter = Letter::of(&entry(&deep));
    assert!(letter.body == Decoded::Text(deep));
    assert!(letter.task.is_err());
}

#[test]
fn moments_are_read_and_nonsense_is_none() {
    assert_eq!(moment("1970-01-01T00:00:01Z"), Some(Timestamp::from_micros(1_000_000)));
    assert_eq!(moment(" 1970-01-01T00:00:00.5Z "), Some(Timestamp::from_micros(500_000)));
    for text in ["", "yesterday", "1969-12-31T23:59:59Z", "2025-11-20", "\u{1b}[2J", "9999999-01-01T00:00:00Z"] {
        assert_eq!(moment(text), None, "{text}");
    }
}

#[test]
fn nothing_that_it_says_is_in_the_debug_output() {
    let letter = Letter::of(&with(entry(r#"{"task_id": 1, "title": "secret"}"#), &[("token", "secret")], &[]));
    assert!(!format!("{letter:?}").contains("secret"));
    assert!(!format!("{:?}", Letter::of(&entry("secret"))).contains("secret"));
}
