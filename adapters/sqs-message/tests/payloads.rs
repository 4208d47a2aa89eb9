//! Messages whose announcement lies in S3, with somebody who fetches it.

use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_sqs_message::{
    MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_NESTING, PayloadError, Payloads, S3Pointer, SqsRecord, delivery, delivery_with,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OWN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01";
const CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";

/// Answers at once, and remembers what was asked for.
struct Bucket {
    answer: Result<String, PayloadError>,
    asked: Mutex<Vec<S3Pointer>>,
}

impl Bucket {
    fn with(answer: Result<String, PayloadError>) -> Self {
        Self { answer, asked: Mutex::default() }
    }

    fn holding(payload: &Value) -> Self {
        Self::with(Ok(payload.to_string()))
    }

    fn asked(&self) -> Vec<S3Pointer> {
        self.asked.lock().expect("nobody panics").clone()
    }

    fn delivers(&self, record: &Value) -> Delivery {
        let record: SqsRecord = serde_json::from_value(record.clone()).expect("any object is a record");
        delivery_with(&record, "r-1", Some(self)).now_or_never().expect("nobody waits")
    }

    /// The reason why what it holds cannot be read.
    fn unreadable(&self) -> String {
        match self.delivers(&record(&pointer().to_string())).subject {
            Subject::Unreadable(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[async_trait]
impl Payloads for Bucket {
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        self.asked.lock().expect("nobody panics").push(pointer.clone());
        self.answer.clone()
    }
}

fn announcement() -> Value {
    json!({"task_id": 41, "title": "Water the plants"})
}

fn pointer() -> Value {
    json!([CLASS, {"s3BucketName": "payloads", "s3Key": "tasks/41"}])
}

fn envelope(message: &Value) -> Value {
    json!({"Type": "Notification", "MessageId": "sns", "TopicArn": "topic", "Message": message.to_string()})
}

fn record(body: &str) -> Value {
    json!({
        "messageId": "m-1", "body": body,
        "attributes": {
            "ApproximateReceiveCount": "3",
            "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        },
    })
}

fn task(delivery: &Delivery) -> Option<i64> {
    delivery.task().map(|task| task.get())
}

#[test]
fn pointers_are_followed_bare_and_wrapped_and_around_an_envelope() {
    for outer in [pointer(), envelope(&pointer())] {
        for inner in [announcement(), envelope(&announcement())] {
            let bucket = Bucket::holding(&inner);
            let delivered = bucket.delivers(&record(&outer.to_string()));
            assert_eq!((task(&delivered), delivered.receipt.as_str(), delivered.receive_count), (Some(41), "r-1", 3));
            assert_eq!(bucket.asked(), [S3Pointer { bucket: "payloads".into(), key: "tasks/41".into() }]);
        }
    }
}

#[test]
fn nothing_is_fetched_for_any_other_message() {
    let bucket = Bucket::holding(&announcement());
    for body in [
        announcement().to_string(),
        json!({"task_id": 41, "s3BucketName": "mentioned", "s3Key": "k"}).to_string(),
        json!([CLASS, {"s3BucketName": "b"}]).to_string(),
        "{".to_owned(),
        String::new(),
        json!(["some.other.Class", {"s3BucketName": "b", "s3Key": "k"}]).to_string(),
        pointer().to_string() + &" ".repeat(MAX_BODY_BYTES),
    ] {
        let shown = record(&body);
        let alone = serde_json::from_value(shown.clone()).map(|record| delivery(&record, "r-1"));
        assert_eq!(bucket.delivers(&shown), alone.expect("a record"));
    }
    let mut crowded = record(&pointer().to_string());
    crowded["messageAttributes"] = (0..=MAX_ATTRIBUTES)
        .map(|n| (format!("a{n}"), json!({"stringValue": "v"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert!(matches!(bucket.delivers(&crowded).subject, Subject::Unreadable(_)));
    assert_eq!(bucket.asked(), []);
}

#[test]
fn the_trace_is_the_one_nearest_to_the_sender() {
    let trace = |own: &str, outer: &str, inner: &str, payload: &str| {
        let attribute = |value: &str| json!({"traceparent": {"Type": "String", "Value": value}});
        let mut text = announcement();
        text["traceparent"] = json!(payload);
        let mut inside = envelope(&text);
        inside["MessageAttributes"] = attribute(inner);
        let mut outside = envelope(&pointer());
        outside["MessageAttributes"] = attribute(outer);
        let mut record = record(&outside.to_string());
        record["messageAttributes"] = json!({"traceparent": {"stringValue": own, "dataType": "String"}});
        [Bucket::holding(&inside), Bucket::with(Err(PayloadError::Unavailable("later".into())))]
            .map(|bucket| bucket.delivers(&record).trace.expect("the AWS header at least"))
    };
    let header = "5759e988bd862e3fe1be46a994272793";
    assert_eq!(trace(OWN, OTHER, OTHER, OTHER), [TRACE, TRACE]);
    assert_eq!(trace("junk", OWN, OTHER, OTHER), [TRACE, TRACE]);
    // What lies in the payload is known only with it.
    assert_eq!(trace("junk", "junk", OWN, OTHER), [TRACE, header]);
    assert_eq!(trace("junk", "junk", "junk", OWN), [TRACE, header]);
    assert_eq!(trace("junk", "junk", "junk", "junk"), [header, header]);
}

#[test]
fn what_is_refused_is_unreadable_and_what_is_unavailable_is_withheld() {
    let refused = Bucket::with(Err(PayloadError::Refused("there is no such object".into())));
    assert_eq!(
        refused.unreadable(),
        "the payload in S3 (payloads/tasks/41) cannot be fetched: there is no such object"
    );
    let later = Bucket::with(Err(PayloadError::Unavailable("S3 asks to try again".into())));
    let delivered = later.delivers(&record(&pointer().to_string()));
    assert_eq!(
        delivered.subject,
        Subject::Withheld("the payload in S3 (payloads/tasks/41): S3 asks to try again".into())
    );
    assert_eq!((delivered.receipt.as_str(), delivered.receive_count), ("r-1", 3));
}

#[test]
fn a_payload_is_held_to_what_a_body_is_held_to() {
    for (payload, words) in [
        ("hello".to_owned(), "the payload is not JSON"),
        (String::new(), "the payload is empty"),
        (json!({"title": "x"}).to_string(), "the payload has no `task_id` (it has: title)"),
        (json!({"task_id": 1.5}).to_string(), "`task_id` is 1.5"),
        (envelope(&json!("x")).to_string(), "the SNS `Message` is a JSON string"),
        ("[".repeat(MAX_NESTING + 1), "the payload nests"),
        (" ".repeat(MAX_BODY_BYTES + 1), "1048577 bytes, and at most 1048576"),
    ] {
        let why = Bucket::with(Ok(payload)).unreadable();
        assert!(why.starts_with("the payload in S3 (payloads/tasks/41): ") && why.contains(words), "{why}");
    }
    let padded = announcement().to_string();
    let fits = padded.clone() + &" ".repeat(MAX_BODY_BYTES - padded.len());
    assert_eq!(task(&Bucket::with(Ok(fits)).delivers(&record(&pointer().to_string()))), Some(41));
}

#[test]
fn a_pointer_that_leads_to_a_pointer_is_not_followed() {
    for inner in [pointer(), envelope(&pointer())] {
        let bucket = Bucket::holding(&inner);
        let why = bucket.unreadable();
        assert!(why.contains("again a pointer"), "{why}");
        assert_eq!(bucket.asked().len(), 1);
    }
}

#[test]
fn what_a_pointer_says_is_shown_short_and_escaped() {
    let long = S3Pointer { bucket: "b\u{1b}[2J".into(), key: "k".repeat(2_000) };
    let shown = long.to_string();
    assert!(shown.chars().count() <= 80 && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn without_anybody_to_fetch_it_a_pointer_is_unreadable() {
    let record: SqsRecord = serde_json::from_value(record(&pointer().to_string())).expect("a record");
    let delivered = delivery_with(&record, "r-1", None).now_or_never().expect("nobody waits");
    assert_eq!(delivered, delivery(&record, "r-1"));
    assert!(matches!(delivered.subject, Subject::Unreadable(why) if why.contains("queue.payload_buckets")));
}
