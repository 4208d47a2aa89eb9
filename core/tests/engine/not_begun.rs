//! What does the work cannot be started or reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::ports::{Clock as _, Failure};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Released, Started};

use crate::bench::{Bench, secs};
use crate::handler::Act;
use crate::source::{Feed, Reply};

/// A handler that is away until it is there.
fn bench() -> (Bench, Arc<AtomicBool>) {
    let there = Arc::new(AtomicBool::new(false));
    let is_there = Arc::clone(&there);
    let act = move |_, _| {
        if is_there.load(Relaxed) { Act::done() } else { Act::fail(Failure::not_begun("it is not installed")) }
    };
    (Bench::new(act), there)
}

#[test]
fn no_attempt_is_spent_on_it_and_it_takes_ever_longer_to_come_again() {
    let (bench, there) = bench();
    let bench = bench.with(|policy| policy.max_attempts = 1);
    let task = bench.add_one();
    for (receive_count, seconds) in [(1, 5), (2, 10), (9, 900)] {
        let feed = Feed::once(&bench.clock, [Reply::Tasks(vec![task])]).keeping().again(receive_count);
        bench.drive(&feed, &Stop::never());
        let why = Why::Released("it is not installed".to_owned());
        assert_eq!(feed.answers(), [(Answer::RetryAfter(secs(seconds)), why)]);
        assert_eq!((bench.status(task), bench.row(task).attempt), (Some(Status::Pending), 0));
        bench.clock.advance(secs(5));
    }
    there.store(true, Relaxed);
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    assert_eq!(
        bench.events(task),
        [Added, Started, Released, Started, Released, Started, Released, Started, Completed]
    );
    bench.audit();
}

#[test]
fn a_queue_is_not_turned_over_meanwhile_and_flows_once_it_is_there() {
    let (bench, there) = bench();
    let tasks = bench.add_many(1_000);
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(tasks), Reply::Waits(secs(1))]).keeping();
    let (engine, stop) = (bench.engine(), bench.stop_after(secs(120)));
    let comes = async {
        bench.clock.sleep(secs(100)).await;
        there.store(true, Relaxed);
    };
    bench.clock.run(futures_util::future::join(engine.drive(&feed, &stop), comes));
    let tried = bench.handler.runs().iter().filter(|run| run.began < secs(100)).count();
    assert!((30..100).contains(&tried), "some at first, then about one in 2.5 s: {tried}");
    let completed = bench.rows.snapshot().iter().filter(|one| one.row.as_ref().unwrap().attempt == 1).count();
    assert_eq!(completed, 1_000 - tried, "those that were tried come later");
    assert_eq!((bench.told.troubles(), bench.told.recoveries().len()), (vec!["it is not installed".to_owned()], 1));
    bench.audit();
}

#[test]
fn what_was_claimed_ahead_is_not_tried_in_vain() {
    let first = |task: TaskId| task.get() <= 2;
    let act = move |task, _| if first(task) { Act::done() } else { Act::fail(Failure::not_begun("it is gone")) };
    let bench = Bench::new(act).with(|policy| policy.concurrency = 2);
    let tasks = bench.add_many(42);
    let replies = [&tasks[..2], &tasks[2..]].map(|some| Reply::Tasks(some.to_vec()));
    let feed = Feed::once(&bench.clock, replies).keeping();
    bench.drive(&feed, &Stop::never());
    assert_eq!(bench.handler.runs().len(), 2 + 2, "two could be begun, and two found that none can");
    assert!(tasks[2..].iter().all(|task| bench.events(*task) == [Added, Started, Released]));
    bench.audit();
}

#[test]
fn a_stop_is_not_held_up_by_a_pause() {
    let (bench, _) = bench();
    let tasks = bench.add_many(50);
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(tasks), Reply::Waits(secs(1))]).keeping();
    bench.drive(&feed, &bench.stop_after(secs(30)));
    assert!(bench.elapsed() < secs(32), "{:?}", bench.elapsed());
    bench.audit();
}

#[test]
fn where_somebody_waits_for_the_answer_it_is_a_failed_attempt() {
    let (bench, _) = bench();
    let bench = bench.with(|policy| policy.max_attempts = 2);
    let task = bench.add_one();
    assert!(matches!(bench.process_one(task), (_, Why::WillRetry(reason)) if reason == "it is not installed"));
    bench.clock.advance(secs(100));
    assert!(matches!(bench.process_one(task), (Answer::DeadLetter, Why::Dead(_))));
    assert_eq!(bench.events(task), [Added, Started, Failed, Started, Failed]);
    bench.audit();
}
