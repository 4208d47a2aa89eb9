//! The event: which deliveries it holds, or what it is instead.

use std::borrow::Cow;

use serde_json::{Map, Value};
use taskwatch_core::delivery::Delivery;
use taskwatch_sqs_message::{SqsRecord, delivery, excerpt};

/// What the ARN of a FIFO queue ends with; AWS enforces the name.
const FIFO: &str = ".fifo";

/// Why an event cannot be worked: phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not even an object.
    #[error("read the event: it is {0}, and an SQS event is an object with `Records`")]
    NotAnObject(&'static str),
    /// A direct invocation, a test event of the console, a function URL.
    #[error(
        "read the event: it has no array `Records` (it has: {members}), so it does not come from an SQS event source \
         mapping; to try the function, send a message to its queue"
    )]
    NoRecords {
        /// The members that it has.
        members: String,
    },
    /// A record of something else.
    #[error("read the event: record {index} is {found}, not a message of an SQS queue; subscribe a queue in between")]
    NotSqs {
        /// Counted from 0.
        index: usize,
        /// What it is.
        found: String,
    },
    /// A response could not name it, and SQS would delete it.
    #[error("read the event: record {index} has no `messageId`, so that no response could keep it in the queue")]
    NoMessageId {
        /// Counted from 0.
        index: usize,
    },
}

/// The deliveries of an event, in its order, each under its message id.
pub(crate) fn deliveries(event: &Value) -> Result<Vec<Delivery>, EventError> {
    let Value::Object(members) = event else { return Err(EventError::NotAnObject(kind(event))) };
    let Some(Value::Array(records)) = members.get("Records") else {
        let names = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let members = if names.is_empty() { "nothing".to_owned() } else { excerpt(&names) };
        return Err(EventError::NoRecords { members });
    };
    records.iter().enumerate().map(|(index, record)| one(index, record)).collect()
}

fn one(index: usize, record: &Value) -> Result<Delivery, EventError> {
    let Value::Object(members) = record else {
        return Err(EventError::NotSqs { index, found: kind(record).to_owned() });
    };
    if let Some(other) = other_source(members) {
        return Err(EventError::NotSqs { index, found: format!("from {}", excerpt(&other)) });
    }
    let record = SqsRecord::from_object(members);
    let Some(id) = &record.message_id else { return Err(EventError::NoMessageId { index }) };
    let mut delivery = delivery(&record, id);
    if record.source_arn.as_deref().is_some_and(|arn| arn.ends_with(FIFO)) {
        // SQS always names one; should it not, keeping the order costs less than losing it.
        delivery.group = Some(record.attributes.get("MessageGroupId").cloned().unwrap_or_default());
    }
    Ok(delivery)
}

/// Who a record says it is from, unless that is SQS or nobody. SNS capitalises the name of the member.
fn other_source(record: &Map<String, Value>) -> Option<Cow<'_, str>> {
    let source = record.get("eventSource").or_else(|| record.get("EventSource"))?;
    match source {
        Value::String(source) if source == "aws:sqs" => None,
        Value::String(source) => Some(Cow::Borrowed(source)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
