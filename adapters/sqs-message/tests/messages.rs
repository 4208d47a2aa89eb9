//! Messages as Lambda, the SDKs and SNS deliver them, and what else turns up in queues.

use serde_json::{Value, json};
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_sqs_message::{
    Body, MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_NESTING, Part, S3Pointer, SqsRecord, Unreadable, Wrapping, delivery,
    read, read_body,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:new-task-notification";

fn announcement() -> Value {
    json!({"task_id": 41, "title": "Water the plants", "description": "All of them"})
}

fn envelope(message: &Value) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
        "TopicArn": TOPIC,
        "Subject": "New Task Added",
        "Message": message.to_string(),
        "Timestamp": "2026-11-20T10:11:12.345Z",
        "SignatureVersion": "1",
        "Signature": "FMG5tlZhJNHLHUXvZgtZzlk24FzVa7oX0T4P03neeXw8",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    })
}

fn lambda_record(body: &str) -> Value {
    json!({
        "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
        "receiptHandle": "MessageReceiptHandle",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "3",
            "SentTimestamp": "1763633472345",
            "SenderId": "AIDAIT2UOQQY3AUEKVGXU",
            "ApproximateFirstReceiveTimestamp": "1763633472350",
            "MessageGroupId": "garden",
            "MessageDeduplicationId": "d-1",
            "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        },
        "messageAttributes": {
            "channel": {"stringValue": "web", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "photo": {"binaryValue": "MTEwMA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": "7b270e59b47ff90a553787216d55d91d",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue",
        "awsRegion": "eu-west-1",
    })
}

fn record(value: Value) -> SqsRecord {
    serde_json::from_value(value).expect("any object is a record")
}

fn body(value: &Value) -> Result<Body, Unreadable> {
    read_body(&value.to_string())
}

#[test]
fn a_lambda_record_around_an_envelope_gives_everything() {
    let record = record(lambda_record(&envelope(&announcement()).to_string()));
    let message = read(&record).expect("readable");
    assert_eq!(message.task.get(), 41);
    assert_eq!(message.title.as_deref(), Some("Water the plants"));
    assert_eq!(message.description.as_deref(), Some("All of them"));
    assert_eq!(message.receive_count, 3);
    assert_eq!(message.sent_at.map(|at| at.as_micros()), Some(1_763_633_472_345_000));
    assert_eq!(message.id(), Some("19dd0b57-b21e-4ac1-bd88-01bbb068cb78"));
    assert_eq!(message.group.as_deref(), Some("garden"));
    assert_eq!(message.deduplication_id.as_deref(), Some("d-1"));
    assert_eq!(message.trace.as_deref(), Some("5759e988bd862e3fe1be46a994272793"));
    assert_eq!(message.attributes.into_iter().collect::<Vec<_>>(), [("channel".to_owned(), "web".to_owned())]);
    let Wrapping::Sns { topic, subject, message_id } = message.wrapped else { panic!("wrapped") };
    assert_eq!(topic.as_deref(), Some(TOPIC));
    assert_eq!(subject.as_deref(), Some("New Task Added"));
    assert_eq!(message_id.as_deref(), Some("dc1e94d9-56c5-5e96-808d-cc7f68faa162"));
    assert_eq!(record.receipt_handle.as_deref(), Some("MessageReceiptHandle"));
    assert_eq!(record.source_arn.as_deref(), Some("arn:aws:sqs:eu-west-1:123456789012:task-processing-queue"));
}

#[test]
fn all_spellings_of_a_record_read_alike() {
    let body = announcement().to_string();
    let lambda = record(json!({
        "messageId": "m-1", "receiptHandle": "r-1", "body": body,
        "attributes": {"ApproximateReceiveCount": "2"},
        "messageAttributes": {"traceparent": {"stringValue": TRACEPARENT, "dataType": "String"}},
    }));
    let sdk = record(json!({
        "MessageId": "m-1", "ReceiptHandle": "r-1", "Body": body, "MD5OfBody": "7b270e59b47ff90a553787216d55d91d",
        "Attributes": {"ApproximateReceiveCount": "2"},
        "MessageAttributes": {"traceparent": {"StringValue": TRACEPARENT, "DataType": "String"}},
    }));
    let ruby = record(json!({
        "message_id": "m-1", "receipt_handle": "r-1", "body": body,
        "attributes": {"ApproximateReceiveCount": 2},
        "message_attributes": {"traceparent": {"string_value": TRACEPARENT, "data_type": "String"}},
    }));
    assert_eq!(lambda.receipt_handle.as_deref(), Some("r-1"));
    assert_eq!(lambda, sdk);
    assert_eq!(lambda, ruby);
    let message = read(&sdk).expect("readable");
    assert_eq!((message.receive_count, message.trace.as_deref()), (2, Some(TRACE)));
}

#[test]
fn the_trace_nearest_to_the_sender_wins_and_malformed_ones_are_passed_over() {
    let trace = |own: &str, wrapping: &str, inner: &str| {
        let mut text = announcement();
        text["traceparent"] = json!(inner);
        let mut wrapped = envelope(&text);
        wrapped["MessageAttributes"] = json!({"traceparent": {"Type": "String", "Value": wrapping}});
        let mut outer = lambda_record(&wrapped.to_string());
        outer["messageAttributes"]["traceparent"] = json!({"stringValue": own, "dataType": "String"});
        read(&record(outer)).expect("trace data never fails a message").trace.expect("the AWS header at least")
    };
    assert_eq!(trace(TRACEPARENT, OTHER, OTHER), TRACE);
    assert_eq!(trace("junk", TRACEPARENT, OTHER), TRACE);
    assert_eq!(trace("junk", "00-junk", TRACEPARENT), TRACE);
    assert_eq!(trace("junk", "00-junk", ""), "5759e988bd862e3fe1be46a994272793");
    let mut odd = announcement();
    odd["traceparent"] = json!({"not": "text"});
    assert_eq!(body(&odd).map(|body| body.trace), Ok(None));
}

#[test]
fn what_a_record_says_wrongly_counts_as_unsaid() {
    let odd = record(json!({
        "messageId": 7, "body": announcement().to_string(), "messageAttributes": "none",
        "attributes": {"ApproximateReceiveCount": "many", "SentTimestamp": "9223372036854775807"},
    }));
    let message = read(&odd).expect("readable");
    assert_eq!((message.receive_count, message.sent_at, message.message_id), (1, None, None));
    let zero = record(json!({"body": "{}", "attributes": {"ApproximateReceiveCount": "0"}}));
    assert_eq!(zero.receive_count(), 1);
}

#[test]
fn an_unreadable_record_is_still_a_delivery() {
    let delivered = delivery(&record(lambda_record("hello")), "r-9");
    let Delivery { receipt, subject: Subject::Unreadable(reason), receive_count: 3, trace: Some(_), group: None } =
        delivered
    else {
        panic!("{delivered:?}")
    };
    assert_eq!(receipt, "r-9");
    assert!(reason.contains("hello"), "{reason}");
    let good = delivery(&record(lambda_record(&announcement().to_string())), "r-1");
    assert_eq!((good.task().map(|task| task.get()), good.receive_count), (Some(41), 3));
}

#[test]
fn envelopes_that_carry_no_announcement_say_so() {
    let mut confirmation = envelope(&announcement());
    confirmation["Type"] = json!("SubscriptionConfirmation");
    assert_eq!(body(&confirmation), Err(Unreadable::SnsType("SubscriptionConfirmation".into())));
    let mut object = envelope(&announcement());
    object["Message"] = announcement();
    assert_eq!(body(&object), Err(Unreadable::SnsMessageNotText("an object")));
    object.as_object_mut().expect("object").remove("Message");
    assert_eq!(body(&object), Err(Unreadable::SnsMessageNotText("missing")));
    let mut empty = envelope(&announcement());
    empty["Message"] = json!(" ");
    assert_eq!(body(&empty), Err(Unreadable::Empty(Part::SnsMessage)));
    empty["Message"] = json!("New task!");
    let Err(Unreadable::NotJson { part: Part::SnsMessage, why, start }) = body(&empty) else { panic!("not JSON") };
    assert!(why.contains("line 1 column 1"), "{why}");
    assert_eq!(start, "New task!");
}

#[test]
fn an_announcement_may_have_members_that_envelopes_have() {
    let odd = json!({"task_id": 5, "Type": "Notification", "Message": "not looked at", "Subject": "x"});
    assert_eq!(body(&odd).map(|body| (body.task.get(), body.wrapped)), Ok((5, Wrapping::Raw)));
}

#[test]
fn s3_pointers_are_recognised_bare_and_wrapped() {
    let target = json!({"s3BucketName": "payloads", "s3Key": "tasks/41"});
    for class in ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"]
    {
        let pointer = json!([class, target]);
        let to = S3Pointer { bucket: "payloads".into(), key: "tasks/41".into() };
        let found = |part| Err(Unreadable::S3Pointer { part, pointer: to.clone() });
        assert_eq!(body(&pointer), found(Part::Body));
        assert_eq!(body(&envelope(&pointer)), found(Part::SnsMessage));
    }
    assert!(matches!(body(&target), Err(Unreadable::S3Pointer { .. })));
    assert_eq!(body(&json!({"task_id": 6, "s3BucketName": "mentioned"})).map(|body| body.task.get()), Ok(6));
    assert!(matches!(body(&json!(["some.other.Class", target])), Err(Unreadable::NotAnObject { .. })));
    let why = body(&target).expect_err("nobody fetches it").to_string();
    assert!(why.contains("payloads/tasks/41") && why.contains("queue.payload_buckets"), "{why}");
    for odd in [
        json!({"s3BucketName": "b"}),
        json!({"s3BucketName": 7, "s3Key": "k"}),
        json!({"s3BucketName": "", "s3Key": "k"}),
    ] {
        assert_eq!(body(&odd), Err(Unreadable::S3PointerOdd(Part::Body)), "{odd}");
    }
    let class = "com.amazon.sqs.javamessaging.MessageS3Pointer";
    assert_eq!(body(&json!([class])), Err(Unreadable::S3PointerOdd(Part::Body)));
    assert_eq!(body(&envelope(&json!([class, "tasks/41"]))), Err(Unreadable::S3PointerOdd(Part::SnsMessage)));
}

#[test]
fn what_else_turns_up_in_queues_has_its_own_reason() {
    let test_event = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b", "HostId": "h"});
    assert_eq!(body(&test_event), Err(Unreadable::S3TestEvent(Part::Body)));
    assert_eq!(body(&envelope(&test_event)), Err(Unreadable::S3TestEvent(Part::SnsMessage)));
    let none = body(&json!({"taskId": 7, "title": "wrong name"}));
    assert_eq!(none, Err(Unreadable::NoTaskId { part: Part::Body, members: "taskId, title".into() }));
    assert_eq!(body(&json!({})), Err(Unreadable::NoTaskId { part: Part::Body, members: "nothing".into() }));
    assert_eq!(body(&json!("{}")), Err(Unreadable::NotAnObject { part: Part::Body, found: "a JSON string" }));
    assert_eq!(read_body(""), Err(Unreadable::Empty(Part::Body)));
    assert!(matches!(read_body("{'task_id': 1}"), Err(Unreadable::NotJson { .. })), "Python's repr");
    assert!(matches!(read_body(r#"{"task_id": NaN}"#), Err(Unreadable::NotJson { .. })));
    assert!(matches!(read_body(r#"{"task_id": 1} x"#), Err(Unreadable::NotJson { .. })));
    assert_eq!(read(&record(json!({"messageId": "m", "body": null}))), Err(Unreadable::NoBody));
    assert_eq!(read(&record(json!({"messageId": "m", "body": {"task_id": 1}}))), Err(Unreadable::NoBody));
}

#[test]
fn limits_hold_exactly() {
    let padded = |bytes: usize| r#"{"task_id": 1}"#.to_owned() + &" ".repeat(bytes - 14);
    assert!(read_body(&padded(MAX_BODY_BYTES)).is_ok());
    assert_eq!(read_body(&padded(MAX_BODY_BYTES + 1)), Err(Unreadable::TooLarge(MAX_BODY_BYTES + 1)));

    let nested =
        |depth: usize| format!(r#"{{"task_id": 1, "more": {}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(read_body(&nested(MAX_NESTING)).is_ok());
    assert_eq!(read_body(&nested(MAX_NESTING + 1)), Err(Unreadable::TooDeep(Part::Body)));
    let mut wrapped = envelope(&announcement());
    wrapped["Message"] = json!(nested(MAX_NESTING + 1));
    assert_eq!(body(&wrapped), Err(Unreadable::TooDeep(Part::SnsMessage)));
    assert_eq!(read_body(&"[".repeat(MAX_BODY_BYTES)), Err(Unreadable::TooDeep(Part::Body)));

    let many = |count: usize| -> Value {
        (0..count)
            .map(|n| (format!("a{n}"), json!({"Type": "String", "Value": "v"})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let outcome = |count| {
        let mut outer = lambda_record(&announcement().to_string());
        outer["messageAttributes"] = many(count);
        let mut inner = envelope(&announcement());
        inner["MessageAttributes"] = many(count);
        [read(&record(outer)).map(|_| ()), body(&inner).map(|_| ())]
    };
    assert_eq!(outcome(MAX_ATTRIBUTES), [Ok(()), Ok(())]);
    let refused = Err(Unreadable::TooManyAttributes(MAX_ATTRIBUTES + 1));
    assert_eq!(outcome(MAX_ATTRIBUTES + 1), [refused.clone(), refused]);
}

#[test]
fn records_are_told_from_envelopes_and_announcements() {
    let is_one = |value: &Value| SqsRecord::is_one(value.as_object().expect("object"));
    assert!(is_one(&lambda_record("x")));
    assert!(is_one(&json!({"MessageId": "m", "ReceiptHandle": "r"})));
    assert!(!is_one(&envelope(&announcement())));
    assert!(!is_one(&announcement()));
    assert!(!is_one(&json!({"task_id": 1, "body": "of work"})));
}
