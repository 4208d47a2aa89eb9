//! What a delivery becomes: every row of the design's table.

use std::collections::BTreeMap;

use taskwatch_core::delivery::{Answer, Delivery, Subject, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Failure;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Cancelled, Completed, Failed, Started};

use crate::bench::{Bench, START, secs};
use crate::handler::Act;

/// Delivers the task again, and insists that nothing ran, nothing was written and nothing else was counted.
fn delivered_for_nothing(bench: &Bench, task: TaskId, counted: Option<Metric>) -> (Answer, Why) {
    let (before, runs, mut counts) = (bench.record(task), bench.handler.runs().len(), bench.told.counts());
    let answer = bench.process_one(task);
    assert_eq!(bench.record(task), before, "row and ledger are as they were");
    assert_eq!(bench.handler.runs().len(), runs, "nothing runs");
    if let Some(metric) = counted {
        *counts.entry(metric).or_default() += 1;
    }
    assert_eq!(bench.told.counts(), counts);
    answer
}

#[test]
fn a_due_task_runs_and_is_acknowledged() {
    let bench = Bench::new(|_, _| Act::takes(secs(2)));
    let task = bench.add_one();
    bench.clock.advance(secs(3));
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.events(task), [Added, Started, Completed]);
    let row = bench.row(task);
    assert_eq!((bench.status(task), row.attempt, row.due), (Some(Status::Completed), 1, START + secs(5)));
    let took = |metric| {
        let told = bench.told.metrics();
        told.iter().filter(|event| event.metric == metric).map(|event| event.value).collect::<Vec<_>>()
    };
    assert_eq!(took(Metric::TaskWait), [3_000.0]);
    assert_eq!(took(Metric::TaskDuration), [2_000.0]);
    assert_eq!(took(Metric::TaskLatency), [5_000.0]);
    bench.audit();
}

#[test]
fn a_failure_that_may_pass_comes_back_with_a_delay() {
    let bench = Bench::new(|_, _| Act::fail(Failure::retry("try later")));
    let task = bench.add_one();
    let (answer, why) = bench.process_one(task);
    assert_eq!(why, Why::WillRetry("try later".to_owned()));
    let row = bench.row(task);
    assert_eq!((bench.status(task), row.reason.as_deref()), (Some(Status::Pending), Some("try later")));
    assert_eq!(answer, Answer::RetryAfter(row.due.since(START)), "the answer is what the row says");
    assert_eq!(bench.events(task), [Added, Started, Failed]);
    assert_eq!((bench.count(Metric::TasksFailed), bench.count(Metric::TasksRetried)), (1, 1));
    assert_eq!((bench.count(Metric::TasksDead), bench.count(Metric::TaskDuration)), (0, 1));
    bench.audit();
}

#[test]
fn a_permanent_failure_goes_to_the_dead_letters() {
    let bench = Bench::new(|_, _| Act::fail(Failure::permanent("no such customer")));
    let task = bench.add_one();
    assert_eq!(bench.process_one(task), (Answer::DeadLetter, Why::Dead("no such customer".to_owned())));
    assert_eq!((bench.status(task), bench.events(task)), (Some(Status::Failed), vec![Added, Started, Failed]));
    assert_eq!((bench.count(Metric::TasksFailed), bench.count(Metric::TasksRetried)), (1, 0));
    assert_eq!((bench.count(Metric::TasksDead), bench.count(Metric::TaskLatency)), (1, 0));
    bench.audit();

    let again = delivered_for_nothing(&bench, task, None);
    assert_eq!(again, (Answer::DeadLetter, Why::AlreadyFailed("no such customer".to_owned())));
}

#[test]
fn a_settled_task_is_a_duplicate() {
    let bench = Bench::new(|_, _| Act::done());
    let (done, cancelled) = (bench.add_one(), bench.add_one());
    bench.process_one(done);
    let acted = bench.clock.run(bench.engine().cancel(&[cancelled], "not wanted")).unwrap();
    assert_eq!(acted[0].refused, None);
    assert_eq!(bench.events(cancelled), [Added, Cancelled]);
    for (task, status) in [(done, Status::Completed), (cancelled, Status::Cancelled)] {
        let answer = delivered_for_nothing(&bench, task, Some(Metric::DuplicateDeliveries));
        assert_eq!(answer, (Answer::Acknowledge, Why::Settled(status)));
    }
    bench.audit();
}

#[test]
fn a_task_that_another_worker_holds_is_left_until_the_lease_ends() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    let claimed = bench.clock.run(bench.worker("two", 2).claim_due(1)).unwrap();
    assert_eq!(claimed.len(), 1);
    bench.clock.advance(secs(25));
    assert_eq!(delivered_for_nothing(&bench, task, None), (Answer::RetryAfter(secs(35)), Why::InProgress));
    bench.audit();
}

#[test]
fn a_task_that_is_not_due_is_left_until_it_is() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add(&[NewTask { not_before: Some(START + secs(90)), ..NewTask::titled("later") }])[0];
    bench.clock.advance(secs(30));
    assert_eq!(delivered_for_nothing(&bench, task, None), (Answer::RetryAfter(secs(60)), Why::NotDue));
    bench.clock.advance(secs(60));
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    bench.audit();
}

#[test]
fn a_task_without_a_row_is_retried_a_little_and_then_dead() {
    let bench = Bench::new(|_, _| Act::done());
    let nowhere = TaskId::try_from(99).unwrap();
    for receive_count in 1..=5 {
        let delivery = Delivery { receive_count, ..Delivery::of(nowhere, "r") };
        let answered = bench.deliver(vec![delivery]).remove(0);
        let retry = Answer::RetryAfter(bench.policy.retry_delay);
        let expected = if receive_count <= bench.policy.missing_row_retries { retry } else { Answer::DeadLetter };
        assert_eq!((answered.answer, answered.why), (expected, Why::NoSuchTask), "received {receive_count} times");
    }
    assert!(bench.rows.snapshot().is_empty() && bench.handler.runs().is_empty());
    assert_eq!(bench.told.counts(), BTreeMap::from([(Metric::MessagesRejected, 2)]), "once for each dead letter");
}

#[test]
fn a_status_that_is_none_of_the_five_is_dead_and_left_alone() {
    let bench = Bench::new(|_, _| Act::done());
    let theirs = bench.rows.foreign_insert("theirs", "Done");
    let ours = bench.add_one();
    assert!(bench.rows.foreign_write(ours, "pending"));
    for (task, status) in [(theirs, "Done"), (ours, "pending")] {
        let answer = delivered_for_nothing(&bench, task, Some(Metric::MessagesRejected));
        assert_eq!(answer, (Answer::DeadLetter, Why::UnknownStatus(status.to_owned())));
    }
    bench.audit();
}

#[test]
fn what_cannot_be_fetched_for_now_comes_again_and_is_not_rejected() {
    let bench = Bench::new(|_, _| Act::done());
    let withheld = |receive_count| Delivery {
        subject: Subject::Withheld("the store of payloads is away".to_owned()),
        receive_count,
        ..Delivery::of(TaskId::try_from(1).unwrap(), "raw")
    };
    let mut waits = Vec::new();
    for receive_count in [1, 3] {
        let [answered] = bench.deliver(vec![withheld(receive_count)]).try_into().unwrap();
        assert_eq!(answered.why, Why::Withheld("the store of payloads is away".to_owned()));
        let Answer::RetryAfter(wait) = answered.answer else { panic!("{answered:?}") };
        waits.push(wait);
    }
    assert!(waits[0] < waits[1], "ever longer, so as not to use up the receives: {waits:?}");
    assert_eq!(bench.count(Metric::MessagesRejected), 0);
}

#[test]
fn what_cannot_be_read_is_dead_with_the_reason() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    let unreadable = Delivery {
        subject: Subject::Unreadable("no task_id".to_owned()),
        ..Delivery::of(TaskId::try_from(1).unwrap(), "raw")
    };
    let answers = bench.deliver(vec![unreadable.clone(), Delivery::of(task, "good")]);
    let bad = answers.iter().find(|answered| answered.delivery.receipt == "raw").unwrap();
    assert_eq!((&bad.answer, &bad.why), (&Answer::DeadLetter, &Why::Unreadable("no task_id".to_owned())));
    assert_eq!(bad.delivery, unreadable, "it comes back as it came");
    assert_eq!(bench.count(Metric::MessagesRejected), 1);
    assert_eq!(bench.status(task), Some(Status::Completed), "the rest of the batch is worked");
    bench.audit();
}
