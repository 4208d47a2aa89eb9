//! Queues and messages of every kind, and what nobody can work.

use std::fs;

use serde_json::{Value, json};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Store as _};
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_testbed::Aws;

use crate::place::{Place, now, shell};

impl Place {
    /// Adds tasks and tells nobody.
    async fn add_silently(&self, titles: &[String]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().map(|title| NewTask::titled(title.as_str())).collect();
        let inserted = self.store.insert(&tasks, &Origin::new(Source::Local, "test"), now()).await.unwrap();
        inserted.iter().map(Inserted::task).collect()
    }
}

#[tokio::test]
async fn a_fifo_queue_behind_a_topic_is_worked_in_order_within_each_group() {
    let place = Place::new().await;
    for raw in [false, true] {
        let queue = place.aws.create_queue(&format!("{}.fifo", Aws::unique("queue")), &[]).unwrap();
        let topic = place.aws.create_topic(&format!("{}.fifo", Aws::unique("topic"))).unwrap();
        place.aws.subscribe(&topic, &queue, raw).unwrap();
        let titles: Vec<String> = (0..24).map(|n| format!("{}{n:02}", ["a", "b", "c"][n % 3])).collect();
        let tasks = place.add_silently(&titles).await;
        for (task, title) in tasks.iter().zip(&titles) {
            let message = json!({ "task_id": task, "title": title, "description": null }).to_string();
            let call = [
                ("TopicArn", topic.as_str()),
                ("Message", &message),
                ("MessageGroupId", &title[..1]),
                ("MessageDeduplicationId", title),
            ];
            place.aws.sns("Publish", &call).unwrap();
        }
        // Those of a group that come early take longest.
        let file = place.folder.path().join(format!("order-{raw}"));
        let work =
            format!("sleep 0.0$(($$ % 10)); grep -o '\"title\":\"[a-c][0-9]*' | tail -c 4 >> {}", file.display());
        let worker =
            place.worker(&[("TASKWATCH_QUEUE_NAME", &queue.arn), ("TASKWATCH_HANDLER_COMMAND", &shell(&work))]);
        place.until(Status::Completed, if raw { 48 } else { 24 }).await;
        let order = fs::read_to_string(&file).unwrap();
        for group in ["a", "b", "c"] {
            let of = |lines: &mut dyn Iterator<Item = &str>| -> Vec<String> {
                lines.filter(|title| title.starts_with(group)).map(str::to_owned).collect()
            };
            assert_eq!(of(&mut order.lines()), of(&mut titles.iter().map(String::as_str)), "{order}");
        }
        assert_eq!(worker.stop().0, Some(0));
        assert_eq!(place.waiting_in(&queue), 0);
    }
    place.audit().await;
}

#[tokio::test]
async fn what_nobody_can_work_is_in_the_dead_letter_queue_with_its_reason_and_no_longer_here() {
    let place = Place::new().await;
    let failed = place.add(&["broken"]).await[0];
    for body in ["not JSON", r#"{"task_id": 4711}"#] {
        place.aws.sqs("SendMessage", &json!({ "QueueUrl": place.queue.url, "MessageBody": body })).unwrap();
    }
    let broken = shell("echo 'the disk is full' >&2; exit 65");
    // A row that is not there may be about to come: the queue gives up on it sooner here.
    let early = json!({ "deadLetterTargetArn": place.dead.arn, "maxReceiveCount": "3" }).to_string();
    let policy = json!({ "QueueUrl": place.queue.url, "Attributes": { "RedrivePolicy": early } });
    place.aws.sqs("SetQueueAttributes", &policy).unwrap();
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &broken)]);
    place.until(Status::Failed, 1).await;
    place.emptied().await;
    let (code, said) = worker.stop();
    assert_eq!(code, Some(0), "{said}");
    let dead = place.aws.drain(&place.dead, 3).unwrap();
    let reason = |body: &str| {
        let found: Vec<&Value> = dead.iter().filter(|message| message["Body"] == body).collect();
        let [message] = found[..] else { panic!("{body}: {dead:?}") };
        message["MessageAttributes"]["TaskwatchReason"]["StringValue"].as_str().unwrap_or_default().to_owned()
    };
    assert!(reason(&json!({ "task_id": failed }).to_string()).contains("the disk is full"), "{dead:?}");
    assert!(reason("not JSON").contains("JSON"), "{dead:?}");
    assert_eq!(dead.len(), 3, "{dead:?}");
    place.audit().await;
}
