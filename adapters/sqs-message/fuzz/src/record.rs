//! The bytes as a message: its JSON, or its body beside odd attributes.

use serde_json::{Value, json};
use taskwatch_core::delivery::Subject;
use taskwatch_sqs_message::{MAX_ATTRIBUTES, SqsRecord, delivery, read};

use crate::{body, reason};

pub(crate) fn check(text: &str) {
    let bare = SqsRecord { body: Some(text.to_owned()), ..SqsRecord::default() };
    check_one(&bare);
    assert_eq!(read(&bare).ok().map(|message| message.task), body::task(text));

    // Each of the spellings says the same.
    let spelled =
        json!({ "MessageId": text, "Body": text, "Attributes": { "MessageGroupId": text, "SentTimestamp": text } });
    let record: SqsRecord = serde_json::from_value(spelled).expect("an object");
    let lambda =
        json!({ "messageId": text, "body": text, "attributes": { "MessageGroupId": text, "SentTimestamp": text } });
    assert_eq!(serde_json::from_value::<SqsRecord>(lambda).expect("an object"), record);
    check_one(&record);

    // Where an attribute is expected, anything may be.
    let mut odd = bare;
    for name in ["ApproximateReceiveCount", "AWSTraceHeader"] {
        odd.attributes.insert(name.to_owned(), text.to_owned());
    }
    odd.message_attributes.insert("traceparent".to_owned(), text.to_owned());
    check_one(&odd);

    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        let record = SqsRecord::from_object(&members);
        assert_eq!(serde_json::from_str::<SqsRecord>(text).ok().as_ref(), Some(&record));
        check_one(&record);
    }
}

fn check_one(record: &SqsRecord) {
    let delivery = delivery(record, "receipt");
    assert_eq!(delivery.receipt, "receipt");
    assert!(delivery.receive_count >= 1);
    body::check_trace(delivery.trace.as_deref());
    match read(record) {
        Ok(message) => {
            assert_eq!(delivery.subject, Subject::Announced(message.task));
            assert_eq!((delivery.receive_count, delivery.trace), (message.receive_count, message.trace));
            assert!(message.attributes.len() <= 2 * MAX_ATTRIBUTES);
            assert!(message.sent_at.is_none_or(|sent| sent.as_micros() > 0));
            // What the record says about it stands above what the envelope says.
            assert!(record.message_attributes.iter().all(|(name, value)| message.attributes.get(name) == Some(value)));
        }
        Err(why) => {
            assert_eq!(delivery.subject, Subject::Unreadable(why.to_string()));
            reason::check(&why.to_string());
        }
    }
}
