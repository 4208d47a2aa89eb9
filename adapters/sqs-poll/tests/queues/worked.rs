//! Messages of a standard queue are worked once, come again when they should, and end as dead letters with a reason.

use serde_json::json;
use taskwatch_core::metric::Metric;
use taskwatch_core::task::Status;
use taskwatch_testbed::Aws;

use crate::bench::{Bench, SECOND, announcement, aws, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_and_wrapped_messages_are_worked_and_deleted() {
    let bench = Bench::new("");
    let tasks = bench.add(&["x"; 40]).await;
    let topic = aws().create_topic(&Aws::unique("new-task")).unwrap();
    aws().subscribe(&topic, &bench.queue, false).unwrap();
    let worker = bench.work().await;
    for (n, task) in tasks.iter().enumerate() {
        let body = announcement(*task);
        if n % 2 == 0 {
            send(&bench.queue, &body, json!({}));
        } else {
            aws().sns("Publish", &[("TopicArn", &topic), ("Message", &body), ("Subject", "New Task Added")]).unwrap();
        }
    }
    bench.become_so(&[Status::Completed; 40]).await;
    bench.emptied().await;
    worker.stop().await;
    assert_eq!((bench.begun().len(), bench.count(Metric::DuplicateDeliveries)), (40, 0));
    assert_eq!(bench.told.troubles(), [""; 0]);
    bench.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_goes_to_the_dead_letters_with_its_reason() {
    let bench = Bench::new("");
    let tasks = bench.add(&["hopeless"]).await;
    send(&bench.queue, &announcement(tasks[0]), json!({}));
    let own = json!({ "channel": { "DataType": "String", "StringValue": "web" } });
    send(&bench.queue, "what is this?", json!({ "MessageAttributes": own }));
    let worker = bench.work().await;
    let letters = aws().drain(&bench.dead, 2).unwrap();
    bench.emptied().await;
    worker.stop().await;
    assert_eq!((letters.len(), bench.statuses()), (2, vec![Status::Failed]));
    for letter in letters {
        let attribute = |name: &str| letter["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_default();
        let reason = attribute("TaskwatchReason");
        if letter["Body"] == "what is this?" {
            assert!(reason.starts_with("cannot be read") && attribute("channel") == "web", "{letter}");
        } else {
            assert_eq!((reason, attribute("TaskwatchTask")), ("failed for good: never", "1"));
        }
        assert_eq!(attribute("TaskwatchSourceQueue"), bench.queue.arn);
    }
    bench.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_comes_again_when_it_is_due_and_not_after_the_whole_visibility() {
    let mut bench = Bench::new("");
    // Longer than anybody waits here.
    bench.options.hidden = SECOND * 600;
    let tasks = bench.add(&["fails once"]).await;
    send(&bench.queue, &announcement(tasks[0]), json!({}));
    let worker = bench.work().await;
    bench.become_so(&[Status::Completed]).await;
    bench.emptied().await;
    worker.stop().await;
    assert_eq!((bench.begun().len(), bench.count(Metric::TasksRetried)), (2, 1));
    bench.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_takes_longer_than_the_visibility_is_delivered_once() {
    let bench = Bench::new("");
    let tasks = bench.add(&["takes 10"]).await;
    send(&bench.queue, &announcement(tasks[0]), json!({}));
    let worker = bench.work().await;
    bench.become_so(&[Status::InProgress]).await;
    // Twice as long as it is hidden at a time, somebody else waits for it.
    let queue = bench.queue.clone();
    let others = tokio::task::spawn_blocking(move || aws().receive(&queue, 1, SECOND * 8).unwrap()).await.unwrap();
    assert_eq!((others, bench.statuses()), (vec![], vec![Status::InProgress]));
    bench.become_so(&[Status::Completed]).await;
    bench.emptied().await;
    worker.stop().await;
    assert_eq!((bench.begun().len(), bench.told.troubles().len()), (1, 0));
    bench.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_at_a_stop_is_there_for_the_next_at_once() {
    let mut bench = Bench::new("");
    bench.options.hidden = SECOND * 600;
    let tasks = bench.add(&["takes 5"]).await;
    send(&bench.queue, &announcement(tasks[0]), json!({}));
    let worker = bench.work().await;
    bench.become_so(&[Status::InProgress]).await;
    worker.stop().await;
    assert_eq!((bench.statuses(), bench.count(Metric::TasksReleased)), (vec![Status::Pending], 1));
    let worker = bench.work().await;
    bench.become_so(&[Status::Completed]).await;
    bench.emptied().await;
    worker.stop().await;
    bench.audit();
}
