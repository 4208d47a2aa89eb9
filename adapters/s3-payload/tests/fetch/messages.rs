//! From a message with a pointer to a delivery, over the stand-in's S3, which verifies signatures.

use aws_credential_types::Credentials;
use serde_json::{Value, json};
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_s3_payload::S3Payloads;
use taskwatch_sqs_message::{SqsRecord, delivery_with};

use crate::scene::{ANNOUNCEMENT, aws, bucket, config, fetch, payloads, pointer, put, refused, unavailable};

fn record(bucket: &str, key: &str) -> SqsRecord {
    let pointer = json!([
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        { "s3BucketName": bucket, "s3Key": key }
    ]);
    let envelope = json!({ "Type": "Notification", "Message": pointer.to_string(), "TopicArn": "t" });
    let attributes: Value = json!({ "ApproximateReceiveCount": "2" });
    serde_json::from_value(json!({ "messageId": "m", "body": envelope.to_string(), "attributes": attributes })).unwrap()
}

async fn delivered(payloads: &S3Payloads, bucket: &str, key: &str) -> Delivery {
    delivery_with(&record(bucket, key), "r", Some(payloads)).await
}

fn unreadable(delivery: &Delivery) -> &str {
    match &delivery.subject {
        Subject::Unreadable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrapped_pointer_leads_to_its_task() {
    let bucket = bucket();
    put(&bucket, "tasks/41", ANNOUNCEMENT.as_bytes());
    let delivery = delivered(&payloads(&[&bucket]).await, &bucket, "tasks/41").await;
    assert_eq!((delivery.task().map(|task| task.get()), delivery.receive_count), (Some(41), 2));
}

#[tokio::test]
async fn a_key_may_hold_whatever_a_url_can() {
    let bucket = bucket();
    let payloads = payloads(&[&bucket]).await;
    for (key, in_url) in [("a b+c%41/é?x=1&y#z", "a%20b%2Bc%2541/%C3%A9%3Fx%3D1%26y%23z"), ("..a/b..", "..a/b..")] {
        put(&bucket, in_url, key.as_bytes());
        assert_eq!(fetch(&payloads, &bucket, key).await.as_deref(), Ok(key));
    }
}

#[tokio::test]
async fn what_is_missing_says_so() {
    let bucket = bucket();
    let no_bucket = format!("{bucket}-2");
    let payloads = payloads(&[&bucket, &no_bucket]).await;
    let delivery = delivered(&payloads, &bucket, "tasks/42").await;
    let why = unreadable(&delivery);
    assert!(why.contains(&bucket) && why.contains("there is no such object (404 NoSuchKey)"), "{why}");
    assert!(unreadable(&delivered(&payloads, &no_bucket, "k").await).contains("no such bucket (404 NoSuchBucket)"));
}

#[tokio::test]
async fn other_buckets_are_not_asked() {
    let (ours, other) = (bucket(), bucket());
    put(&other, "secret", ANNOUNCEMENT.as_bytes());
    let payloads = payloads(&[&ours]).await;
    let why = refused(fetch(&payloads, &other, "secret").await);
    assert!(why.contains("queue.payload_buckets") && why.contains(&other), "{why}");
    // The same by a key that climbs: in path style, the URL of the other bucket.
    for key in [format!("../{other}/secret"), format!("a/../../{other}/secret"), "..".to_owned()] {
        let why = refused(fetch(&payloads, &ours, &key).await);
        assert!(why.contains("segments `.` or `..`"), "{why}");
    }
    let nothing = S3Payloads::with([""; 0], &config(aws().endpoint(), crate::scene::root()).await);
    assert!(refused(fetch(&nothing, &ours, "k").await).contains("queue.payload_buckets"));
}

#[tokio::test]
async fn a_wrong_secret_is_no_fault_of_the_message() {
    let bucket = bucket();
    put(&bucket, "k", ANNOUNCEMENT.as_bytes());
    let keys = Credentials::new("test", "guessed", None, None, "test");
    let payloads = S3Payloads::with([bucket.clone()], &config(aws().endpoint(), keys).await);
    let why = unavailable(fetch(&payloads, &bucket, "k").await);
    assert!(why.contains("SignatureDoesNotMatch"), "{why}");
    let delivery = delivered(&payloads, &bucket, "k").await;
    assert!(matches!(&delivery.subject, Subject::Withheld(why) if why.contains(&pointer(&bucket, "k").to_string())));
}
