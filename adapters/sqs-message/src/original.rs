//! A message with all that it takes to send it on as it came.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::limits::MAX_ATTRIBUTES;
use crate::record::{attribute_texts, text};

/// One message, unread: its body to the byte, its attributes with their types.
#[derive(Clone, PartialEq, Eq)]
pub struct Original {
    /// SQS's id for it.
    pub message_id: String,
    /// The message.
    pub body: String,
    /// What the sender says about it.
    pub attributes: BTreeMap<String, Attribute>,
    /// X-Ray's system attribute, `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// FIFO or fair-queue group.
    pub group: Option<String>,
}

/// One attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, perhaps with a label: `Number.float`.
    pub data_type: String,
    /// What it says.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text, or a number as text.
    Text(String),
    /// Bytes, in base64 as they come in JSON.
    Base64(String),
}

/// Without the body and what the attributes say.
impl std::fmt::Debug for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Original")
            .field("message_id", &self.message_id)
            .field("bytes", &self.body.len())
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Original {
    /// From a record in any of the spellings that [`crate::SqsRecord`] takes; `None` if it has no id or no body, or more
    /// than [`MAX_ATTRIBUTES`]. An attribute without a value of its type is left out: SQS would not take it back.
    #[must_use]
    pub fn from_object(object: &Map<String, Value>) -> Option<Self> {
        let get = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
        let system = attribute_texts(get(&["attributes", "Attributes"]));
        let attributes = match get(&["messageAttributes", "MessageAttributes", "message_attributes"]) {
            Some(Value::Object(attributes)) => attributes
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), attribute(value.as_object()?)?)))
                .collect(),
            _ => BTreeMap::new(),
        };
        let original = Self {
            message_id: text(get(&["messageId", "MessageId", "message_id"]))?,
            body: text(get(&["body", "Body"]))?,
            attributes,
            trace_header: system.get("AWSTraceHeader").cloned(),
            group: system.get("MessageGroupId").cloned(),
        };
        (original.attributes.len() <= MAX_ATTRIBUTES).then_some(original)
    }
}

fn attribute(typed: &Map<String, Value>) -> Option<Attribute> {
    let get = |names: [&str; 3]| text(names.iter().find_map(|name| typed.get(*name)));
    let data_type = get(["dataType", "DataType", "data_type"])?;
    let value = if data_type == "Binary" || data_type.starts_with("Binary.") {
        AttributeValue::Base64(get(["binaryValue", "BinaryValue", "binary_value"])?)
    } else {
        AttributeValue::Text(get(["stringValue", "StringValue", "string_value"])?)
    };
    Some(Attribute { data_type, value })
}
