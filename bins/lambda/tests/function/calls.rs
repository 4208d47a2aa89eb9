//! What the function calls SQS and S3 for: messages that come again in time, dead letters with their reason, payloads.

use serde_json::{Value, json};
use taskwatch_testbed::Aws;

use crate::place::{Place, shared};
use crate::support::TEST;

/// Nothing comes again by itself while the test runs.
const NEVER: &str = "600";

/// The text of an attribute of a message.
fn attribute<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message["MessageAttributes"][name]["StringValue"].as_str()
}

#[test]
fn a_failed_message_comes_again_when_its_task_is_due_and_a_dead_one_goes_with_its_reason() {
    let place = Place::with_visibility(shared(), 100, NEVER);
    place.deploy_calling(&[("TASKWATCH_LAMBDA_REPORT", "partial")]);
    place.map(true);
    let tasks = place.add(&["flaky", "broken", "fine"]);
    tasks.iter().for_each(|task| place.announce(*task));
    place.publish("not even JSON");
    place.await_statuses(&["Failed", "Failed", "Completed"]);

    let letters = place.aws.drain(&place.dead, 3).expect(TEST);
    let mut said: Vec<_> = letters
        .iter()
        .map(|letter| {
            let body: Value = serde_json::from_str(letter["Body"].as_str().expect(TEST)).expect(TEST);
            assert_eq!(body["Subject"], "New Task Added", "it is the message as it came: {body}");
            assert_eq!(attribute(letter, "TaskwatchSourceQueue"), Some(place.queue.arn.as_str()));
            let task = attribute(letter, "TaskwatchTask").map(str::to_owned);
            (task, attribute(letter, "TaskwatchReason").expect("a reason").to_owned())
        })
        .collect();
    said.sort();
    let [(None, unreadable), (Some(first), flaky), (Some(second), broken)] = &said[..] else { panic!("{said:?}") };
    assert!(unreadable.contains("not JSON"), "{unreadable}");
    assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
    assert!(flaky.contains("failed for good") && broken.contains("the disk is full"), "{said:?}");
    place.until("an empty queue", || place.waiting(&place.queue) == 0);
    assert_eq!(place.waiting(&place.dead), 0, "one letter each");
    place.audit();
}

#[test]
fn a_batch_that_fails_as_a_whole_sends_its_dead_letters_once_the_rest_is_done() {
    let place = Place::with_visibility(shared(), 100, "1");
    place.deploy_calling(&[("TASKWATCH_LAMBDA_REPORT", "whole")]);
    place.map(false);
    let tasks = place.add(&["flaky", "fine", "broken"]);
    tasks.iter().for_each(|task| place.announce(*task));
    place.await_statuses(&["Failed", "Completed", "Failed"]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);
    let letters = place.aws.drain(&place.dead, 2).expect(TEST);
    let mut dead: Vec<_> = letters.iter().filter_map(|letter| attribute(letter, "TaskwatchTask")).collect();
    dead.sort_unstable();
    assert_eq!(dead, ["1", "3"]);
    place.audit();
}

#[test]
fn a_payload_is_fetched_from_a_bucket_that_is_listed_and_from_no_other() {
    let place = Place::with_visibility(shared(), 100, NEVER);
    let task = place.add(&["fine"])[0];
    let (ours, theirs) = (Aws::unique("ours"), Aws::unique("theirs"));
    for bucket in [&ours, &theirs] {
        place.create_bucket(bucket, "a/b", &json!({ "task_id": task, "title": "fine" }).to_string());
    }
    let buckets = json!([ours]).to_string();
    place.deploy_calling(&[("TASKWATCH_LAMBDA_REPORT", "partial"), ("TASKWATCH_QUEUE_PAYLOAD_BUCKETS", &buckets)]);
    place.map(true);
    let pointer = |bucket: &str| json!(["software.amazon.payloadoffloading.PayloadS3Pointer", { "s3BucketName": bucket, "s3Key": "a/b" }]);
    place.publish(&pointer(&theirs).to_string());
    let letters = place.aws.drain(&place.dead, 1).expect(TEST);
    let reason = attribute(&letters[0], "TaskwatchReason").expect("a reason");
    assert!(reason.contains(&theirs) && reason.contains("queue.payload_buckets"), "{reason}");
    assert_eq!(place.statuses(), ["Pending"]);

    place.publish(&pointer(&ours).to_string());
    place.await_statuses(&["Completed"]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);
    place.audit();
}
