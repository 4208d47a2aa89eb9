//! What an attempt can come to: panics, time limits, duplicates in a batch.

use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Clock as _, Failure, Store as _};
use taskwatch_core::task::{NewTask, OnAbandon, Status};
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Started};

use crate::bench::{Bench, START, secs};
use crate::handler::Act;

#[test]
fn deliveries_of_one_task_in_one_batch_share_one_run_and_one_answer() {
    let bench = Bench::new(|_, _| Act::fail(Failure::retry_after(secs(7), "busy")));
    let (twice, once) = (bench.add_one(), bench.add_one());
    let deliveries = vec![Delivery::of(twice, "a"), Delivery::of(once, "b"), Delivery::of(twice, "c")];
    let mut answers = bench.deliver(deliveries);
    answers.sort_by(|a, b| a.delivery.receipt.cmp(&b.delivery.receipt));
    let receipts: Vec<_> = answers.iter().map(|answered| answered.delivery.receipt.as_str()).collect();
    assert_eq!(receipts, ["a", "b", "c"]);
    for answered in &answers {
        assert_eq!(answered.answer, Answer::RetryAfter(secs(7)));
        assert_eq!(answered.why, Why::WillRetry("busy".to_owned()));
    }
    assert_eq!(bench.handler.runs().len(), 2, "one run for each task");
    bench.audit();
}

#[test]
fn settled_duplicates_in_one_batch_are_each_counted() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.process_one(task);
    assert_eq!(bench.process(&[task, task]), vec![(Answer::Acknowledge, Why::Settled(Status::Completed)); 2]);
    assert_eq!(bench.count(Metric::DuplicateDeliveries), 2);
}

#[test]
fn a_panic_is_a_failed_attempt_and_harms_nobody_else() {
    for act in [Act::panic_at_once(), Act::panic_after(secs(0)), Act::panic_after(secs(2))] {
        let first = act.clone();
        let bench = Bench::new(move |task, _| if task.get() == 1 { first.clone() } else { Act::takes(secs(1)) });
        let tasks = bench.add_many(2);
        let answers = bench.process(&tasks);
        let Why::WillRetry(reason) = &answers[0].1 else { panic!("{act:?}: {answers:?}") };
        assert!(reason.starts_with("the handler panicked: "), "{reason}");
        assert!(reason.ends_with("no future at all") || reason.ends_with("in the middle of 1"), "{reason}");
        assert_eq!(answers[1], (Answer::Acknowledge, Why::Completed));
        assert_eq!(bench.events(tasks[0]), [Added, Started, Failed]);
        assert_eq!(bench.events(tasks[1]), [Added, Started, Completed]);
        assert_eq!((bench.count(Metric::HandlerPanics), bench.count(Metric::TasksFailed)), (1, 1));
        bench.audit();
    }
}

#[test]
fn the_time_limit_cuts_off_and_counts_as_a_failure() {
    let bench = Bench::new(|_, _| Act::takes(secs(1_000))).with(|policy| policy.time_limit = secs(100));
    let task = bench.add_one();
    let (_, why) = bench.process_one(task);
    assert_eq!(why, Why::WillRetry("timed out after 100s".to_owned()));
    let run = bench.handler.the_run();
    assert_eq!(run.ended, Some((secs(100), false)), "dropped at the limit");
    assert_eq!(run.info.deadline, START + secs(100), "and told so before");
    assert_eq!(bench.events(task), [Added, Started, Failed]);
    assert_eq!((bench.count(Metric::TasksRetried), bench.count(Metric::TaskDuration)), (1, 1));
    bench.audit();
}

#[test]
fn work_that_must_not_run_twice_is_given_up_at_the_time_limit() {
    let bench = Bench::new(|_, _| Act::takes(secs(1_000))).with(|policy| policy.time_limit = secs(100));
    let task = bench.add(&[NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[0];
    assert_eq!(bench.process_one(task), (Answer::DeadLetter, Why::Dead("timed out after 100s".to_owned())));
    assert_eq!(bench.status(task), Some(Status::Failed));
    assert_eq!(bench.count(Metric::TaskDuration), 1);
    bench.audit();
}

#[test]
fn work_that_must_not_run_twice_is_given_up_after_a_panic() {
    let bench = Bench::new(|_, _| Act::panic_after(secs(1)));
    let task = bench.add(&[NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[0];
    assert_eq!(bench.process_one(task).0, Answer::DeadLetter);
    assert_eq!((bench.status(task), bench.count(Metric::HandlerPanics)), (Some(Status::Failed), 1));
    bench.audit();
}

#[test]
fn work_that_must_not_run_twice_may_run_again_when_its_handler_says_so() {
    let bench = Bench::new(|_, _| Act::fail(Failure::retry_after(secs(9), "nothing was done")));
    let task = bench.add(&[NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[0];
    assert_eq!(bench.process_one(task).0, Answer::RetryAfter(secs(9)));
    bench.audit();
}

#[test]
fn a_result_in_time_is_not_held_against_the_limit() {
    let bench = Bench::new(|_, _| Act::takes(secs(99))).with(|policy| policy.time_limit = secs(100));
    let task = bench.add_one();
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    bench.audit();
}

#[test]
fn a_handler_learns_what_it_needs() {
    let bench = Bench::new(|_, number| if number == 1 { Act::fail(Failure::retry("once")) } else { Act::done() });
    let task = bench.add(&[NewTask { max_attempts: Some(2), ..NewTask::titled("told") }])[0];
    let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
    for _ in 0..2 {
        bench.deliver(vec![Delivery { trace: trace.clone(), ..Delivery::of(task, "r") }]);
        bench.clock.advance(secs(200));
    }
    let runs = bench.handler.runs();
    let numbers: Vec<_> = runs.iter().map(|run| (run.info.number, run.info.max)).collect();
    assert_eq!(numbers, [(1, 2), (2, 2)]);
    assert_eq!(runs[0].info.idempotency_key, runs[1].info.idempotency_key, "constant across attempts");
    assert!(runs.iter().all(|run| run.info.trace == trace));
    let traced = bench.record(task).entries.iter().filter(|entry| entry.trace == trace).count();
    assert_eq!(traced, 4, "both starts and both ends are traced in the ledger");
}

#[test]
fn a_row_deleted_under_its_attempt_is_acknowledged() {
    let bench = Bench::new(|_, _| Act::takes(secs(10)));
    let task = bench.add_one();
    let rows = bench.rows.clone();
    let delete = async {
        taskwatch_core::ports::Clock::sleep(&bench.clock, secs(5)).await;
        assert!(rows.foreign_delete(task));
    };
    let stop = taskwatch_core::stop::Stop::never();
    let engine = bench.engine();
    let work = engine.process(vec![Delivery::of(task, "r")], &stop);
    let (answers, ()) = bench.clock.run(futures_util::future::join(work, delete));
    assert_eq!((&answers[0].answer, &answers[0].why), (&Answer::Acknowledge, &Why::NoSuchTask));
    assert_eq!(bench.count(Metric::StaleLeases), 1, "zero rows changed");
    bench.audit();
}

#[test]
fn a_clock_that_is_behind_that_of_whoever_adds_tasks_sends_none_of_them_back() {
    let bench = Bench::new(|_, _| Act::takes(secs(100)));
    let ahead = bench.clock.now() + secs(3_600);
    let added = bench.clock.run(bench.rows.insert(
        &[NewTask::titled("from the future")],
        &Origin::new(Source::Local, "ahead"),
        ahead,
    ));
    let task = added.unwrap()[0].task();
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    let entries = bench.record(task).entries;
    assert_eq!(entries.iter().map(|entry| entry.event).collect::<Vec<_>>(), [Added, Started, Completed]);
    assert_eq!((entries[1].at, entries[2].at.since(START)), (ahead, secs(100)));
    let mut audit = Audit::new();
    bench.rows.snapshot().iter().for_each(|record| audit.observe(record));
    assert!(audit.finish().balanced());
}
