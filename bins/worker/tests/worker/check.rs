//! `--check`: what is as it should be, what is doubtful, what cannot work.

use std::process::Output;

use serde_json::json;
use taskwatch_testbed::Aws;

use crate::place::Place;

/// Its exit code, and what it says to whoever has asked.
fn checked(place: &Place, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = place.command(settings).arg("--check").output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(status.success(), !error.contains("error: "), "{error}");
    (status.code(), said)
}

#[tokio::test]
async fn what_is_as_it_should_be_is_said_and_nothing_is_touched() {
    let place = Place::new().await;
    place.add(&["a"; 3]).await;
    let topic = place.aws.create_topic(&Aws::unique("topic")).unwrap();
    let (code, said) = checked(&place, &[("TASKWATCH_ANNOUNCE_TARGET", &topic)]);
    assert_eq!(code, Some(0), "{said}");
    let expected = [
        "SQLite 3".to_owned(),
        format!("ok    {}: 3 messages wait, 0 are at work", place.queue.arn),
        format!("ok    {}, its dead-letter queue: 0 messages", place.dead.arn),
        format!("{topic}: there"),
    ];
    for words in &expected {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("ok    ")).count(), 4, "{said}");
    let received = place.aws.receive(&place.queue, 10, std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(received[0]["Attributes"]["ApproximateReceiveCount"], json!("1"), "the check has received nothing");
    place.until(taskwatch_core::task::Status::Pending, 3).await;
}

#[tokio::test]
async fn what_may_surprise_somebody_is_a_warning() {
    let place = Place::new().await;
    let bare = place.aws.create_queue(&Aws::unique("bare"), &[]).unwrap();
    let (code, said) = checked(&place, &[("TASKWATCH_QUEUE_NAME", &bare.url)]);
    assert!(code == Some(0) && said.contains("warn  it has no redrive policy"), "{said}");
    let early = place.aws.create_queue_before(&Aws::unique("early"), &place.dead, 3, &[]).unwrap();
    let attempts = [("TASKWATCH_QUEUE_NAME", early.arn.as_str()), ("TASKWATCH_WORKER_MAX_ATTEMPTS", "3")];
    let (code, said) = checked(&place, &attempts);
    assert!(code == Some(0) && said.contains("warn  SQS gives a message up after 3 receives"), "{said}");
    let (_, said) = checked(&place, &[("TASKWATCH_QUEUE_NAME", &early.arn), ("TASKWATCH_WORKER_MAX_ATTEMPTS", "2")]);
    assert!(!said.contains("warn"), "{said}");
    place.aws.sqs("DeleteQueue", &json!({ "QueueUrl": place.dead.url })).unwrap();
    let (code, said) = checked(&place, &[]);
    assert!(code == Some(0) && said.contains("warn  its dead-letter queue: failed to"), "{said}");
}

#[tokio::test]
async fn all_that_cannot_work_is_said_and_the_first_gives_the_code() {
    let place = Place::new().await;
    let gone = format!("{}-gone", place.queue.url);
    let nowhere = ("TASKWATCH_QUEUE_NAME", gone.as_str());
    let (code, said) = checked(&place, &[nowhere]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("FAIL  failed to call") && said.contains("there is no such queue"), "{said}");
    let deaf = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let (code, said) = checked(&place, &[deaf]);
    assert_eq!(code, Some(6), "{said}");
    let topic = format!("arn:aws:sns:{}:000000000000:no-such-topic", place.aws.region());
    let (code, said) = checked(&place, &[("TASKWATCH_ANNOUNCE_TARGET", &topic)]);
    assert!(code == Some(6) && said.contains("FAIL  failed to look at"), "{said}");
    let (code, said) = checked(&place, &[("TASKWATCH_DATABASE_URL", "mysql://a@127.0.0.1:9/b"), nowhere]);
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("FAIL")).count(), 2, "{said}");
}
