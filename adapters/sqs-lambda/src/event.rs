//! The event: which deliveries it holds, or what it is instead.

use std::borrow::Cow;

use serde_json::{Map, Value};
use taskwatch_core::delivery::Delivery;
use taskwatch_sqs_message::{Payloads, SqsRecord, delivery, delivery_with, excerpt};

/// Why an event cannot be worked: phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not even an object.
    #[error("read the event: it is {0}, and an SQS event is an object with `Records`")]
    NotAnObject(&'static str),
    /// A direct invocation, a test event of the console, a function URL.
    #[error(
        "read the event: it has no array `Records` (it has: {members}){}, so it does not come from an SQS event source \
         mapping; to try the function, send a message to its queue",
        looks_like.map(|what| format!(" and looks like {what}")).unwrap_or_default()
    )]
    NoRecords {
        /// The members that it has.
        members: String,
        /// What has such members.
        looks_like: Option<&'static str>,
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

/// What an event without records is, by the members that only such events have.
fn looks_like(members: &Map<String, Value>) -> Option<&'static str> {
    let context = |name: &str| members.get("requestContext").is_some_and(|context| context.get(name).is_some());
    if context("elb") {
        Some("a request of a load balancer")
    } else if context("http") {
        Some("a request of a function URL or an HTTP API")
    } else if members.contains_key("httpMethod") {
        Some("a request of a REST API")
    } else if members.contains_key("detail-type") {
        Some("an event of EventBridge")
    } else if members.contains_key("Messages") {
        Some("what SQS answers to a receive call")
    } else {
        None
    }
}

/// A record with what the engine takes of it.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// As it came: whatever is asked of the queue later is taken from here, so that nothing is copied for nothing.
    object: &'a Map<String, Value>,
    pub(crate) delivery: Delivery,
}

/// The messages of an event, in its order, each delivered under its message id.
pub(crate) fn messages(event: &Value) -> Result<Vec<Message<'_>>, EventError> {
    let Value::Object(members) = event else { return Err(EventError::NotAnObject(kind(event))) };
    let Some(Value::Array(records)) = members.get("Records") else {
        let names = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "nothing".to_owned() } else { excerpt(&names) };
        return Err(EventError::NoRecords { members: names, looks_like: looks_like(members) });
    };
    records.iter().enumerate().map(|(index, record)| one(index, record)).collect()
}

fn one(index: usize, record: &Value) -> Result<Message<'_>, EventError> {
    let Value::Object(object) = record else {
        return Err(EventError::NotSqs { index, found: kind(record).to_owned() });
    };
    if let Some(other) = other_source(object) {
        return Err(EventError::NotSqs { index, found: format!("from {}", excerpt(&other)) });
    }
    let record = SqsRecord::from_object(object);
    let Some(id) = &record.message_id else { return Err(EventError::NoMessageId { index }) };
    let delivery = grouped(delivery(&record, id), &record);
    Ok(Message { object, delivery })
}

impl<'a> Message<'a> {
    /// The record.
    pub(crate) const fn object(&self) -> &'a Map<String, Value> {
        self.object
    }

    /// The same with its payload fetched, should it be a pointer to one.
    pub(crate) async fn fetched(&self, payloads: &dyn Payloads) -> Delivery {
        let record = SqsRecord::from_object(self.object);
        grouped(delivery_with(&record, &self.delivery.receipt, Some(payloads)).await, &record)
    }
}

/// Within the group of its FIFO queue, whether it can be read or not.
fn grouped(mut delivery: Delivery, record: &SqsRecord) -> Delivery {
    delivery.group = record.source_arn.as_deref().and_then(|queue| record.ordered_group(queue));
    delivery
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
