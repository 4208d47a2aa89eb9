//! Whatever the input: no panic, short reasons, and what was sent is what is read.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use taskwatch_sqs_message::{SqsRecord, Wrapping, excerpt, read, read_body};

/// Longest fixed text of a reason, beside one excerpt or two.
const REASON_CHARS: usize = 400;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(member(), inner, 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something, so that random objects reach the deeper branches.
fn member() -> impl Strategy<Value = String> {
    let known = [
        "task_id",
        "title",
        "Type",
        "Message",
        "TopicArn",
        "MessageAttributes",
        "Value",
        "body",
        "attributes",
        "traceparent",
        "messageAttributes",
        "stringValue",
        "s3BucketName",
        "Event",
        "AWSTraceHeader",
    ];
    prop_oneof![9 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn is_short(text: &str) -> bool {
    read_body(text).err().is_none_or(|why| why.to_string().chars().count() < REASON_CHARS)
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,300}", bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(is_short(&text));
        prop_assert!(is_short(&String::from_utf8_lossy(&bytes)));
        prop_assert!(excerpt(&text).chars().count() <= 80);
    }

    #[test]
    fn arbitrary_json_never_panics(value in any_json()) {
        prop_assert!(is_short(&value.to_string()));
        let wrapped = json!({"Type": "Notification", "Message": value.to_string()});
        let with_id = json!({"task_id": value});
        prop_assert!(is_short(&wrapped.to_string()));
        prop_assert!(is_short(&with_id.to_string()));
        if let Ok(record) = serde_json::from_value::<SqsRecord>(value.clone()) {
            let _ = read(&record);
        }
        let record: SqsRecord = serde_json::from_value(json!({"body": value.to_string(), "attributes": value})).expect("an object");
        let _ = read(&record);
    }

    #[test]
    fn cut_anywhere_a_message_is_refused_and_not_misread(id in 1..i64::MAX, at: proptest::sample::Index) {
        let inner = json!({"title": "é", "task_id": id}).to_string();
        let whole = json!({"Type": "Notification", "Message": inner}).to_string();
        let cut = at.get(&whole.char_indices().collect::<Vec<_>>()).0;
        prop_assert!(read_body(&whole[..cut]).is_err());
    }

    #[test]
    fn what_was_sent_is_what_is_read(
        id in 1..=i64::MAX, title in ".{1,60}", as_text: bool, wrap: bool, lambda: bool, count in 1..1000u32,
    ) {
        let shown = if as_text { json!(id.to_string()) } else { json!(id) };
        let inner = json!({"task_id": shown, "title": title, "description": null}).to_string();
        let body = if wrap { json!({"Type": "Notification", "Message": inner}).to_string() } else { inner };
        let sent = if lambda {
            json!({"messageId": "m", "body": body, "attributes": {"ApproximateReceiveCount": count.to_string()}})
        } else {
            json!({"MessageId": "m", "Body": body, "Attributes": {"ApproximateReceiveCount": count.to_string()}})
        };
        let record: SqsRecord = serde_json::from_str(&sent.to_string()).expect("a record");
        let message = read(&record).expect("readable");
        prop_assert_eq!(message.task.get(), id);
        prop_assert_eq!(message.title, Some(title));
        prop_assert_eq!(message.description, None);
        prop_assert_eq!(message.receive_count, count);
        prop_assert_eq!(message.message_id.as_deref(), Some("m"));
        prop_assert_eq!(matches!(message.wrapped, Wrapping::Sns { .. }), wrap);
    }
}
