//! How often a task is tried, and when again.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::policy::{Backoff, LONGEST_LEASE};
use taskwatch_core::ports::Failure;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Failed, Replayed, Started};

use crate::bench::{Bench, ms, secs};
use crate::handler::Act;

fn always_failing() -> Bench {
    Bench::new(|_, _| Act::fail(Failure::retry("again")))
}

/// Delivers the task whenever it is due until it is dead; answers with the delays between the attempts.
fn until_dead(bench: &Bench, task: TaskId) -> Vec<Duration> {
    let mut delays = Vec::new();
    loop {
        match bench.process_one(task) {
            (Answer::RetryAfter(delay), Why::WillRetry(_)) => delays.push(delay),
            (Answer::DeadLetter, Why::Dead(_)) => return delays,
            other => panic!("{other:?}"),
        }
        bench.clock.advance(*delays.last().expect("one was just pushed"));
    }
}

#[test]
fn the_policy_says_how_often_unless_the_task_does() {
    let bench = always_failing().with(|policy| policy.max_attempts = 4);
    let usual = bench.add_one();
    let own = bench.add(&[NewTask { max_attempts: Some(2), ..NewTask::titled("own") }])[0];
    let single = bench.add(&[NewTask { max_attempts: Some(1), ..NewTask::titled("single") }])[0];
    for (task, attempts) in [(usual, 4), (own, 2), (single, 1)] {
        assert_eq!(until_dead(&bench, task).len() + 1, attempts);
        assert_eq!(bench.status(task), Some(Status::Failed));
        assert_eq!(bench.row(task).attempt as usize, attempts);
    }
    assert_eq!((bench.count(Metric::TasksFailed), bench.count(Metric::TasksRetried)), (7, 4));
    assert_eq!(bench.count(Metric::TasksDead), 3);
    bench.audit();
}

#[test]
fn a_replayed_task_has_all_its_attempts_again() {
    let bench = always_failing().with(|policy| policy.max_attempts = 2);
    let task = bench.add_one();
    until_dead(&bench, task);
    let acted = bench.clock.run(bench.engine().replay(&[task], "fixed by us")).unwrap();
    assert_eq!(acted[0].refused, None);
    assert_eq!(bench.last_entry(task).reason.as_deref(), Some("fixed by us"));
    assert_eq!(until_dead(&bench, task).len(), 1);
    assert_eq!(bench.events(task)[5..], [Replayed, Started, Failed, Started, Failed]);
    assert_eq!(bench.events(task)[..5], [Added, Started, Failed, Started, Failed]);
    bench.audit();
}

#[test]
fn the_handler_may_say_when() {
    let bench = Bench::new(|task, _| {
        Act::fail(Failure::retry_after(if task.get() == 1 { ms(1_234) } else { Duration::MAX }, "busy"))
    });
    let tasks = bench.add_many(2);
    let answers: Vec<_> = bench.process(&tasks).into_iter().map(|(answer, _)| answer).collect();
    let expected = [Answer::RetryAfter(ms(1_234)), Answer::RetryAfter(LONGEST_LEASE)];
    assert_eq!(answers, expected, "no later than a queue can hide a message");
    assert_eq!(bench.process_one(tasks[0]), (Answer::RetryAfter(ms(1_234)), Why::NotDue));
    bench.audit();
}

#[test]
fn a_permanent_failure_uses_up_no_more_attempts() {
    let bench = Bench::new(|_, number| match number {
        1 => Act::fail(Failure::retry("again")),
        _ => Act::fail(Failure::permanent("never")),
    });
    let task = bench.add_one();
    assert_eq!(until_dead(&bench, task).len(), 1);
    assert_eq!(bench.row(task).attempt, 2);
    bench.audit();
}

#[test]
fn backoff_has_full_jitter_within_its_bounds() {
    let backoff = Backoff { base: secs(8), cap: secs(100) };
    let bench = always_failing().with(|policy| {
        policy.max_attempts = 6;
        policy.backoff = backoff;
        policy.concurrency = 1_000;
    });
    let tasks = bench.add_many(400);
    for attempt in 1..6 {
        let ceiling = [8, 16, 32, 64, 100][attempt - 1];
        let delays: Vec<Duration> = bench
            .process(&tasks)
            .into_iter()
            .map(|answer| match answer {
                (Answer::RetryAfter(delay), Why::WillRetry(_)) => delay,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(delays.iter().all(|delay| *delay <= secs(ceiling)), "at most {ceiling} s after attempt {attempt}");
        // 400 even draws miss a tenth of the range with a chance below 10^-18.
        let tenth =
            |n: u32| delays.iter().any(|delay| (secs(ceiling) * n / 10..=secs(ceiling) * (n + 1) / 10).contains(delay));
        assert!((0..10).all(tenth), "spread over the whole range after attempt {attempt}");
        bench.clock.advance(secs(ceiling));
    }
    bench.audit();
}

#[test]
fn the_same_seed_draws_the_same_delays() {
    let delays = |seed| {
        let bench = always_failing();
        let tasks = bench.add_many(5);
        let deliveries = tasks.iter().map(|task| taskwatch_core::delivery::Delivery::of(*task, "r")).collect();
        let stop = taskwatch_core::stop::Stop::never();
        let mut answers = bench.clock.run(bench.worker("one", seed).process(deliveries, &stop));
        answers.sort_by_key(|answered| answered.delivery.task());
        answers.into_iter().map(|answered| format!("{:?}", answered.answer)).collect::<Vec<_>>()
    };
    assert_eq!(delays(5), delays(5));
    assert_ne!(delays(5), delays(6));
}
