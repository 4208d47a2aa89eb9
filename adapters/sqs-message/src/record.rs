//! One SQS message as people have it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use taskwatch_core::time::Timestamp;

use taskwatch_core::trace::{TRACEPARENT, from_aws_header, from_traceparent};

/// What the name of a FIFO queue ends with; AWS enforces it.
const FIFO: &str = ".fifo";

/// One SQS message.
///
/// Deserialises from all spellings in use: a record of a Lambda event (`messageId`, `receiptHandle`, `body`,
/// `attributes`, `messageAttributes`, `eventSourceARN`), the output of `aws sqs receive-message` and of the SDKs for
/// Python and JavaScript (`MessageId`, ...), and that of the SDK for Ruby (`message_id`, ...). Anything missing, and
/// anything of an unexpected type, is taken as absent: only [`crate::read`] judges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqsRecord {
    /// SQS's id for the message.
    pub message_id: Option<String>,
    /// What a delete call needs.
    pub receipt_handle: Option<String>,
    /// The message.
    pub body: Option<String>,
    /// What SQS says about the message: `ApproximateReceiveCount`, `SentTimestamp`, `MessageGroupId`, ...
    pub attributes: BTreeMap<String, String>,
    /// What the sender says about the message, as far as it is text or a number.
    pub message_attributes: BTreeMap<String, String>,
    /// The ARN of the queue; only Lambda tells it.
    pub source_arn: Option<String>,
}

impl SqsRecord {
    /// Whether a JSON object is an SQS message, in whatever spelling, rather than an announcement or an SNS envelope.
    #[must_use]
    pub fn is_one(object: &Map<String, Value>) -> bool {
        let names = ["body", "Body", "receiptHandle", "ReceiptHandle", "receipt_handle"];
        names.iter().any(|name| object.contains_key(*name)) && !object.contains_key("task_id")
    }

    /// From a JSON object; what is missing there is missing here.
    #[must_use]
    pub fn from_object(object: &Map<String, Value>) -> Self {
        let get = |names: [&str; 3]| names.iter().find_map(|name| object.get(*name));
        Self {
            message_id: text(get(["messageId", "MessageId", "message_id"])),
            receipt_handle: text(get(["receiptHandle", "ReceiptHandle", "receipt_handle"])),
            body: text(object.get("body").or_else(|| object.get("Body"))),
            attributes: attribute_texts(object.get("attributes").or_else(|| object.get("Attributes"))),
            message_attributes: attribute_texts(get(["messageAttributes", "MessageAttributes", "message_attributes"])),
            source_arn: text(get(["eventSourceARN", "eventSourceArn", "EventSourceARN"])),
        }
    }

    /// How often the message has been received, this time included; 1 where the record does not say.
    #[must_use]
    pub fn receive_count(&self) -> u32 {
        let count = self.attributes.get("ApproximateReceiveCount").and_then(|count| count.trim().parse().ok());
        count.unwrap_or(1).max(1)
    }

    /// The group within which a queue of this name, ARN or URL promises an order; `None` on a standard queue, where groups
    /// are about fairness alone.
    #[must_use]
    pub fn ordered_group(&self, queue: &str) -> Option<String> {
        // SQS always names one; should it not, keeping the order costs less than losing it.
        queue.ends_with(FIFO).then(|| self.attributes.get("MessageGroupId").cloned().unwrap_or_default())
    }

    /// When the message was sent, to the millisecond.
    #[must_use]
    pub fn sent_at(&self) -> Option<Timestamp> {
        let millis: i64 = self.attributes.get("SentTimestamp")?.trim().parse().ok()?;
        (millis > 0).then(|| millis.checked_mul(1000).map(Timestamp::from_micros)).flatten()
    }

    /// The W3C trace id in a `traceparent` attribute.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.message_attributes.get(TRACEPARENT).and_then(|text| from_traceparent(text))
    }

    /// The trace id in X-Ray's system attribute.
    pub(crate) fn aws_trace(&self) -> Option<String> {
        self.attributes.get("AWSTraceHeader").and_then(|text| from_aws_header(text))
    }
}

impl<'de> Deserialize<'de> for SqsRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|object| Self::from_object(&object))
    }
}

/// A member that is text and not empty.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Attributes by name: plain ones as SQS sends them, and typed ones in the spellings of Lambda, of the SDKs and of SNS.
/// Binary ones are left out.
pub(crate) fn attribute_texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let typed = |value: &Value| match value {
        Value::Object(typed) if typed.get("Type").and_then(Value::as_str) == Some("Binary") => None,
        Value::Object(typed) => {
            ["stringValue", "StringValue", "string_value", "Value"].iter().find_map(|name| plain(typed.get(*name)?))
        }
        value => plain(value),
    };
    let Some(Value::Object(attributes)) = value else { return BTreeMap::new() };
    attributes.iter().filter_map(|(name, value)| Some((name.clone(), typed(value)?))).collect()
}
