//! SQS throttles, fails, is silent, loses answers; queues are deleted and made again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Started};
use taskwatch_testbed::{Fault, MariaDb};

use crate::outage::{ANSWERS, Outage, recoveries, said_once, says, troubles};
use crate::place::{PATIENCE, Place, shell};

async fn mariadb() -> Outage {
    Outage::at(Place::on(MariaDb::shared().unwrap()).await)
}

async fn sqlite() -> Outage {
    Outage::at(Place::new().await)
}

/// Tasks before, during and after: all done, once, and said once.
async fn receives_fail(outage: Outage, fault: Fault, words: &str) {
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = outage.worker(&[]);
    outage.all_done(&worker, 100).await;
    outage.front.breaks_all(&["ReceiveMessage"], fault);
    worker.says(words).await;
    outage.is_calm(&worker).await;
    tasks.extend(outage.place.add(&["meanwhile"; 200]).await);
    outage.front.heals();
    outage.recovers(&mut worker, 300).await;
    tasks.extend(outage.place.add(&["after"; 50]).await);
    outage.all_done(&worker, 350).await;
    outage.once(&tasks).await;
    said_once(&worker, words, ANSWERS);
    assert_eq!(worker.stop().0, Some(0));
}

#[tokio::test]
async fn receives_fail_in_every_way() {
    tokio::join!(
        receives_fail(sqlite().await, Fault::THROTTLED, "RequestThrottled"),
        receives_fail(mariadb().await, Fault::INTERNAL, "InternalError"),
        receives_fail(sqlite().await, Fault::Hang, "no answer in time"),
        receives_fail(sqlite().await, Fault::Cut, "connection closed"),
        // Messages that were received so come again, when their visibility ends.
        receives_fail(mariadb().await, Fault::Lose, "call http"),
    );
}

#[tokio::test]
async fn one_poll_without_an_answer_does_not_hold_up_the_others() {
    let outage = sqlite().await;
    let polls = AtomicUsize::new(0);
    outage.front.breaks(move |asked| {
        let is_fifth = asked.action == "ReceiveMessage" && polls.fetch_add(1, Ordering::Relaxed) == 4;
        is_fifth.then_some(Fault::Hang)
    });
    let tasks = outage.place.add(&["x"; 400]).await;
    let worker = outage.worker(&[("TASKWATCH_QUEUE_WAIT", "20s")]);
    outage.all_done(&worker, 400).await;
    outage.once(&tasks).await;
    assert_eq!(outage.front.calls("ReceiveMessage").broken, 1);
    assert_eq!(troubles(&worker), [""; 0], "it is still waited for");
}

/// What nobody could delete comes again, and is acknowledged without running a second time.
async fn deletes_fail() {
    let outage = mariadb().await;
    outage.front.breaks_all(&["DeleteMessageBatch"], Fault::INTERNAL);
    let tasks = outage.place.add(&["x"; 200]).await;
    let mut worker = outage.worker(&[]);
    outage.completed(&worker, 200).await;
    worker.says("InternalError").await;
    outage.is_calm(&worker).await;
    assert_eq!(outage.place.waiting(), 200, "every message is still there");
    outage.front.heals();
    outage.recovers(&mut worker, 200).await;
    outage.once(&tasks).await;
    said_once(&worker, "InternalError", "the event source takes answers again");
}

/// Whoever cannot keep its messages hidden is cut off before others have them; another attempt completes.
async fn visibility_cannot_be_renewed() {
    let outage = sqlite().await;
    outage.front.breaks_all(&["ChangeMessageVisibilityBatch"], Fault::UNAVAILABLE);
    let tasks = outage.place.add(&["long"; 12]).await;
    let long = shell("test $TASKWATCH_ATTEMPT -gt 1 || exec sleep 600; exec sleep 6");
    let mut worker = outage.worker(&[
        ("TASKWATCH_HANDLER_KIND", "command"),
        ("TASKWATCH_HANDLER_SIMULATE_DURATION", ""),
        ("TASKWATCH_HANDLER_COMMAND", &long),
    ]);
    worker.says("ServiceUnavailable").await;
    outage.is_calm(&worker).await;
    says(&worker, "Failed task=", 12).await;
    outage.front.heals();
    outage.recovers(&mut worker, 12).await;
    outage.place.audit().await;
    for task in tasks {
        let events: Vec<_> = outage.place.record(task).await.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Added, Started, Failed, Started, Completed]);
    }
    said_once(&worker, "ServiceUnavailable", "the visibility of messages is renewed again");
}

#[tokio::test]
async fn calls_for_messages_in_hand_fail() {
    tokio::join!(deletes_fail(), visibility_cannot_be_renewed());
}

/// How calls fail on a bad day: three of ten.
fn by_chance() -> Option<Fault> {
    match fastrand::u32(..100) {
        0..6 => Some(Fault::THROTTLED),
        6..12 => Some(Fault::INTERNAL),
        12..18 => Some(Fault::UNAVAILABLE),
        18..24 => Some(Fault::Cut),
        24..29 => Some(Fault::Lose),
        29 => Some(Fault::Hang),
        _ => None,
    }
}

/// Tasks that are completed, that fail and are tried again, that fail for good: every action is called.
#[tokio::test]
async fn a_bad_day_when_three_of_ten_calls_fail() {
    let outage = mariadb().await;
    outage.front.breaks(|_| by_chance());
    outage.place.add(&["x"; 250]).await;
    let worker = outage.worker(&[
        ("TASKWATCH_HANDLER_SIMULATE_FAILURES", "0.1"),
        ("TASKWATCH_HANDLER_SIMULATE_PERMANENT", "0.05"),
        ("TASKWATCH_WORKER_MAX_ATTEMPTS", "20"),
    ]);
    let begun = Instant::now();
    let failed = loop {
        let statuses = outage.place.statuses().await;
        let count = |status: Status| statuses.get(status.as_str()).copied().unwrap_or_default();
        if count(Status::Completed) + count(Status::Failed) == 250 {
            break count(Status::Failed);
        }
        assert!(begun.elapsed() < PATIENCE, "{statuses:?}: {}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    outage.place.emptied().await;
    outage.place.audit().await;
    for record in outage.place.records().await {
        let ends = record.entries.iter().filter(|entry| matches!(entry.to, Status::Completed | Status::Failed));
        assert_eq!(ends.count(), 1, "{:?}", record.entries);
    }
    // A letter whose sending nobody confirmed is sent again.
    let mut letters = BTreeSet::new();
    loop {
        let some = outage.place.aws.receive(&outage.place.dead, 10, Duration::ZERO).unwrap();
        if some.is_empty() {
            break;
        }
        letters.extend(some.iter().map(|letter| letter["Body"].to_string()));
    }
    assert_eq!(letters.len(), failed);
    for action in ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "SendMessageBatch"] {
        assert!(outage.front.calls(action).all > 0, "{action}");
    }
    // Each of four kinds of calls may have failed the last time.
    let (troubles, recoveries) = (troubles(&worker).len(), recoveries(&worker).len());
    let broken = outage.front.all_calls().broken;
    assert!((recoveries..=recoveries + 4).contains(&troubles) && troubles * 3 < broken, "{}", worker.log());
}

async fn is_made_again(by_arn: bool) {
    let outage = sqlite().await;
    let queue = &outage.place.queue;
    let name = if by_arn { &queue.arn } else { &queue.url };
    let tasks = outage.place.add(&["x"; 100]).await;
    let mut worker = outage.worker(&[("TASKWATCH_QUEUE_NAME", name), ("TASKWATCH_HANDLER_SIMULATE_DURATION", "500ms")]);
    outage.completed(&worker, 20).await;
    outage.place.aws.sqs("DeleteQueue", &json!({ "QueueUrl": queue.url })).unwrap();
    worker.says("there is no such queue").await;
    // For longer than a delete would be tried again: those that are gone with their queue are none that failed.
    outage.is_calm(&worker).await;
    outage.is_calm(&worker).await;
    let again = outage.place.aws.create_queue(queue.arn.rsplit(':').next().unwrap(), &[]).unwrap();
    assert_eq!(&again, queue);
    // Its messages went with it: whoever has sent them sends them anew.
    tasks.iter().for_each(|task| outage.place.announce(*task));
    outage.recovers(&mut worker, 100).await;
    outage.once(&tasks).await;
    said_once(&worker, "there is no such queue", ANSWERS);
}

#[tokio::test]
async fn a_queue_is_deleted_and_made_again() {
    tokio::join!(is_made_again(false), is_made_again(true));
}
