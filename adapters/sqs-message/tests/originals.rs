//! Messages as they must be sent on.

use serde_json::{Value, json};
use taskwatch_sqs_message::{Attribute, AttributeValue, MAX_ATTRIBUTES, Original};

fn original(record: &Value) -> Option<Original> {
    Original::from_object(record.as_object().expect("an object"))
}

fn text(data_type: &str, value: &str) -> Attribute {
    Attribute { data_type: data_type.to_owned(), value: AttributeValue::Text(value.to_owned()) }
}

#[test]
fn all_spellings_keep_body_attributes_trace_and_group() {
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let system = json!({"AWSTraceHeader": header, "MessageGroupId": "garden", "ApproximateReceiveCount": "2"});
    let lambda = json!({
        "messageId": "m-1", "body": " {\n", "attributes": system,
        "messageAttributes": {
            "channel": {"stringValue": "web", "stringListValues": [], "dataType": "String"},
            "weight": {"stringValue": "1.50", "dataType": "Number.kilo"},
            "photo": {"binaryValue": "MTEwMA==", "dataType": "Binary.jpeg"},
        },
    });
    let sdk = json!({
        "MessageId": "m-1", "Body": " {\n", "Attributes": system,
        "MessageAttributes": {
            "channel": {"StringValue": "web", "DataType": "String"},
            "weight": {"StringValue": "1.50", "DataType": "Number.kilo"},
            "photo": {"BinaryValue": "MTEwMA==", "DataType": "Binary.jpeg"},
        },
    });
    let ruby = json!({
        "message_id": "m-1", "body": " {\n", "attributes": system,
        "message_attributes": {
            "channel": {"string_value": "web", "data_type": "String"},
            "weight": {"string_value": "1.50", "data_type": "Number.kilo"},
            "photo": {"binary_value": "MTEwMA==", "data_type": "Binary.jpeg"},
        },
    });
    let kept = original(&lambda).expect("whole");
    assert_eq!((kept.message_id.as_str(), kept.body.as_str()), ("m-1", " {\n"));
    assert_eq!((kept.trace_header.as_deref(), kept.group.as_deref()), (Some(header), Some("garden")));
    let photo = Attribute { data_type: "Binary.jpeg".to_owned(), value: AttributeValue::Base64("MTEwMA==".to_owned()) };
    let attributes: Vec<_> = kept.attributes.clone().into_iter().collect();
    let expected = [("channel", text("String", "web")), ("photo", photo), ("weight", text("Number.kilo", "1.50"))];
    assert_eq!(attributes, expected.map(|(name, attribute)| (name.to_owned(), attribute)));
    assert_eq!(original(&sdk).as_ref(), Some(&kept));
    assert_eq!(original(&ruby).as_ref(), Some(&kept));
}

#[test]
fn what_cannot_be_sent_is_none_and_what_sqs_would_not_take_is_left_out() {
    assert_eq!(original(&json!({"messageId": "m"})), None);
    assert_eq!(original(&json!({"body": "x"})), None);
    assert_eq!(original(&json!({"messageId": "m", "body": ""})), None);
    assert_eq!(original(&json!({"messageId": "m", "body": {"task_id": 1}})), None);
    let odd = json!({
        "messageId": "m", "body": "x", "attributes": [],
        "messageAttributes": {
            "none": {"dataType": "String"},
            "empty": {"dataType": "String", "stringValue": ""},
            "untyped": {"stringValue": "x"},
            "mixed": {"dataType": "Binary", "stringValue": "x"},
            "odd": 7,
        },
    });
    let kept = original(&odd).expect("whole");
    assert_eq!((kept.attributes.len(), kept.trace_header, kept.group), (0, None, None));
    let many = |count: usize| {
        let attributes = (0..count).map(|n| (format!("a{n}"), json!({"stringValue": "v", "dataType": "String"})));
        let attributes: serde_json::Map<_, _> = attributes.collect();
        original(&json!({"messageId": "m", "body": "x", "messageAttributes": attributes}))
    };
    assert!(many(MAX_ATTRIBUTES).is_some() && many(MAX_ATTRIBUTES + 1).is_none());
}

#[test]
fn debugging_shows_neither_body_nor_values() {
    let secret = json!({
        "messageId": "m", "body": "secret plans",
        "messageAttributes": {"channel": {"stringValue": "secret channel", "dataType": "String"}},
    });
    let shown = format!("{:?}", original(&secret));
    assert!(shown.contains("channel") && !shown.contains("secret"), "{shown}");
}
