//! The task table as a source.

use std::sync::Arc;
use std::time::Duration;

use taskwatch_core::due::DueSource;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Failure;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, OnAbandon, Status};
use taskwatch_core::transition::EventKind::{Abandoned, Added, Adopted, Completed, Started};

use crate::bench::{Bench, START, secs};
use crate::flaky::{Fault, Kind};
use crate::handler::Act;

/// Works the table until nothing is left to do.
fn until_empty(bench: &Bench) {
    let engine = bench.engine();
    let source = DueSource::new(Arc::clone(&engine), secs(1), Stop::never()).until_empty(Arc::new(bench.rows.clone()));
    bench.clock.run(engine.drive(&source, &Stop::never()));
}

/// Works the table for this long.
fn for_a_while(bench: &Bench, poll: Duration, time: Duration) {
    let engine = bench.engine();
    let stop = bench.stop_after(time);
    let source = DueSource::new(Arc::clone(&engine), poll, stop.clone());
    bench.clock.run(engine.drive(&source, &stop));
}

#[test]
fn until_empty_works_all_there_is_and_ends() {
    let bench = Bench::new(|task, number| match task.get() % 3 {
        0 if number < 3 => Act::fail(Failure::retry_after(secs(30), "again")),
        1 => Act::fail(Failure::permanent("never")),
        _ => Act::takes(secs(2)),
    })
    .with(|policy| policy.concurrency = 4);
    let tasks = bench.add_many(30);
    let later = bench.add(&[NewTask { not_before: Some(START + secs(100)), ..NewTask::titled("later") }])[0];
    until_empty(&bench);
    let with = |status| tasks.iter().filter(|task| bench.status(**task) == Some(status)).count();
    assert_eq!((with(Status::Completed), with(Status::Failed)), (20, 10));
    // The last one has an id that leaves 1.
    assert_eq!(bench.status(later), Some(Status::Failed), "what is due later is waited for");
    assert!(secs(100) <= bench.elapsed() && bench.elapsed() < secs(105), "{:?}", bench.elapsed());
    assert_eq!(bench.handler.most_at_once(), 4, "no more are claimed than can run");
    bench.audit();
}

#[test]
fn until_empty_is_not_held_up_by_what_is_finished() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(150);
    until_empty(&bench);
    let one_too_many = tasks.iter().all(|task| bench.rows.foreign_write(*task, "Pending"));
    assert!(one_too_many, "another program has written over all of them");
    until_empty(&bench);
    assert_eq!(bench.handler.runs().len(), 150, "what was finished stays finished");
    bench.audit();
}

#[test]
fn until_empty_waits_for_what_others_work_on() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    assert_eq!(bench.clock.run(bench.worker("two", 2).claim_due(1)).unwrap().len(), 1);
    until_empty(&bench);
    assert_eq!(bench.events(task), [Added, Started, Abandoned, Started, Completed], "and takes it over when it must");
    assert!(secs(60) <= bench.elapsed() && bench.elapsed() < secs(80), "{:?}", bench.elapsed());
    bench.audit();
}

#[test]
fn vanished_workers_are_noticed() {
    let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.max_attempts = 1);
    let tasks = bench.add(&[
        NewTask { max_attempts: Some(2), ..NewTask::titled("again") },
        NewTask { on_abandon: OnAbandon::Fail, max_attempts: Some(2), ..NewTask::titled("once") },
        NewTask::titled("no attempts left"),
    ]);
    assert_eq!(bench.clock.run(bench.worker("two", 2).claim_due(3)).unwrap().len(), 3);
    for_a_while(&bench, secs(1), secs(100));
    let found: Vec<_> = tasks.iter().map(|task| (bench.status(*task), bench.row(*task).reason)).collect();
    assert_eq!(found[0].0, Some(Status::Completed));
    let gave_up = |reason: &str| (Some(Status::Failed), Some(format!("the lease ran out, {reason}")));
    assert_eq!(found[1], gave_up("and the work must not run twice"));
    assert_eq!(found[2], gave_up("and no attempts are left"));
    assert_eq!((bench.count(Metric::TasksAbandoned), bench.count(Metric::TasksDead)), (3, 2));
    assert_eq!(bench.handler.the_run().info.number, 2);
    bench.audit();
}

#[test]
fn many_vanished_tasks_are_put_back_at_once_and_not_looked_for_every_time() {
    let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.concurrency = 300);
    bench.add_many(250);
    assert_eq!(bench.clock.run(bench.worker("two", 2).claim_due(250)).unwrap().len(), 250);
    bench.clock.advance(secs(60));
    bench.store.fails(|_| Fault::No);
    for_a_while(&bench, secs(1), secs(60));
    assert_eq!(bench.count(Metric::TasksCompleted), 250);
    let looked: Vec<u64> = bench.store.calls(Kind::LeaseOver).iter().map(|call| call.at.as_secs() - 60).collect();
    assert_eq!(looked[..3], [0, 0, 0], "until there are no more");
    assert!(looked.len() <= 8, "then about every quarter of a lease: {looked:?}");
    assert!(bench.store.calls(Kind::Due).len() > 30, "while what is due is looked for at every poll");
    bench.audit();
}

#[test]
fn polls_are_spread() {
    let bench = Bench::new(|_, _| Act::done());
    for_a_while(&bench, secs(10), secs(2_000));
    let calls = bench.store.calls(Kind::Due);
    let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(gaps.iter().all(|gap| secs(5) <= *gap && *gap <= secs(15)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < secs(7)) && gaps.iter().any(|gap| *gap > secs(13)), "{gaps:?}");
    assert!((180..220).contains(&calls.len()), "about one in 10 s: {}", calls.len());
}

#[test]
fn a_stop_ends_the_wait() {
    let bench = Bench::new(|_, _| Act::done());
    for_a_while(&bench, secs(3_600), secs(5));
    assert_eq!(bench.elapsed(), secs(5));
}

#[test]
fn rows_of_another_program_are_left_to_it_for_a_while() {
    let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.adopt_after = secs(300));
    let pending = bench.rows.foreign_insert("theirs", "Pending");
    let running = bench.rows.foreign_insert("theirs", "In Progress");
    for_a_while(&bench, secs(1), secs(290));
    assert!(bench.events(pending).is_empty() && bench.events(running).is_empty());
    for_a_while(&bench, secs(1), secs(30));
    assert_eq!(bench.events(pending), [Adopted, Started, Completed]);
    assert_eq!(bench.events(running), [Adopted], "it has time from now on");
    for_a_while(&bench, secs(1), secs(320));
    assert_eq!(bench.events(running), [Adopted, Abandoned, Started, Completed]);
    bench.audit();
}

#[test]
fn a_table_that_does_not_answer_is_asked_at_every_poll_and_no_oftener() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|call| if call.at < secs(600) { Fault::Unavailable } else { Fault::No });
    for_a_while(&bench, secs(1), secs(700));
    assert_eq!(bench.events(task), [Added, Started, Completed]);
    let asked = bench.store.calls(Kind::LeaseOver).iter().filter(|call| call.at < secs(600)).count();
    assert!((400..=1_200).contains(&asked), "{asked}");
    assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1));
    bench.audit();
}

#[test]
fn a_claim_of_the_table_whose_answer_was_lost_runs_what_it_claimed() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks =
        bench.add(&[NewTask::titled("again"), NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }]);
    bench.store.fails(|call| if (call.kind, call.nth) == (Kind::Due, 1) { Fault::AnswerLost } else { Fault::No });
    until_empty(&bench);
    for task in tasks {
        assert_eq!(bench.events(task), [Added, Started, Completed]);
    }
    bench.audit();
}

#[test]
fn a_rescue_whose_answer_was_lost_is_told() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.clock.run(bench.worker("two", 2).claim_due(1)).unwrap();
    bench.clock.advance(secs(60));
    bench.store.fails(|call| if (call.kind, call.nth) == (Kind::LeaseOver, 1) { Fault::AnswerLost } else { Fault::No });
    until_empty(&bench);
    assert_eq!(bench.events(task), [Added, Started, Abandoned, Started, Completed]);
    bench.audit();
}

#[test]
fn a_row_that_the_store_will_not_take_holds_up_no_other() {
    let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.concurrency = 2);
    let tasks = bench.add_many(20);
    bench.store.will_not_take(tasks[0]);
    for_a_while(&bench, secs(1), secs(50));
    assert!(tasks[1..].iter().all(|task| bench.status(*task) == Some(Status::Completed)));
    assert_eq!(bench.status(tasks[0]), Some(Status::Pending));
    let refused = bench.told.troubles().iter().filter(|what| what.contains("task 1 ")).count();
    assert!((1..=3).contains(&refused), "named, and not at every poll: {:?}", bench.told.troubles());
    bench.audit();
}
