//! Attributes as they are kept.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use taskwatch_sqs_message::{Attribute, AttributeValue};

/// `{"channel": ["String", "web"], "photo": ["Binary.jpeg", null, "MTEw"]}`
pub(crate) fn attributes(attributes: &BTreeMap<String, Attribute>) -> String {
    let value = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => json!([attribute.data_type, text]),
        AttributeValue::Base64(bytes) => json!([attribute.data_type, null, bytes]),
    };
    let object: Map<String, Value> = attributes.iter().map(|(name, typed)| (name.clone(), value(typed))).collect();
    Value::Object(object).to_string()
}

pub(crate) fn read_attributes(text: &str) -> BTreeMap<String, Attribute> {
    let read: BTreeMap<String, (String, Option<String>, Option<String>)> = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => {
            object.into_iter().filter_map(|(name, value)| Some((name, typed(&value)?))).collect()
        }
        _ => BTreeMap::new(),
    };
    let attribute = |(name, (data_type, text, bytes)): (String, (String, Option<String>, Option<String>))| {
        let value = text.map(AttributeValue::Text).or_else(|| bytes.map(AttributeValue::Base64))?;
        Some((name, Attribute { data_type, value }))
    };
    read.into_iter().filter_map(attribute).collect()
}

fn typed(value: &Value) -> Option<(String, Option<String>, Option<String>)> {
    let part = |at: usize| value.get(at).and_then(Value::as_str).map(str::to_owned);
    Some((part(0)?, part(1), part(2)))
}

/// The attributes that are text, as an `SqsRecord` has them.
pub(crate) fn texts(attributes: &BTreeMap<String, Attribute>) -> BTreeMap<String, String> {
    let text = |(name, attribute): (&String, &Attribute)| match &attribute.value {
        AttributeValue::Text(text) => Some((name.clone(), text.clone())),
        AttributeValue::Base64(_) => None,
    };
    attributes.iter().filter_map(text).collect()
}
