//! Leases: kept while the work goes on, and what happens when one is lost.

use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, OnAbandon, Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Cancelled, Completed, Failed, Overwritten, Started};

use crate::bench::{Bench, ms, secs};
use crate::flaky::{Fault, Kind};
use crate::handler::Act;
use crate::source::{Feed, Reply};

/// Works the task on one worker, and lets `meanwhile` happen beside it.
fn work_while(bench: &Bench, task: TaskId, meanwhile: impl Future<Output = ()>) -> Answered {
    let engine = bench.engine();
    let stop = Stop::never();
    let work = engine.process(vec![Delivery::of(task, "r")], &stop);
    let (mut answers, ()) = bench.clock.run(futures_util::future::join(work, meanwhile));
    answers.remove(0)
}

#[test]
fn renewals_keep_long_work_alive_far_beyond_one_lease() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add_one();
    let other = bench.worker("two", 2);
    let look = async {
        for _ in 0..79 {
            bench.clock.sleep(secs(10)).await;
            assert_eq!(other.rescue(10).await.unwrap(), 0, "nothing is abandoned");
            let answers = other.process(vec![Delivery::of(task, "again")], &Stop::never()).await;
            assert_eq!(answers[0].why, Why::InProgress);
            let Answer::RetryAfter(left) = answers[0].answer else { panic!("{answers:?}") };
            assert!(left >= bench.policy.lease / 2, "renewed long before its end: {left:?} left");
        }
    };
    let answered = work_while(&bench, task, look);
    assert_eq!((answered.answer, answered.why), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.handler.the_run().ended, Some((secs(800), true)));
    assert_eq!(bench.events(task), [Added, Started, Completed], "renewals leave no entry");
    let renewals = bench.store.calls(Kind::Extend).len();
    assert!((30..=40).contains(&renewals), "about one renewal in a third of a lease: {renewals}");
    bench.audit();
}

#[test]
fn one_renewal_serves_all_that_run() {
    let bench = Bench::new(|_, _| Act::takes(secs(90)));
    let tasks = bench.add_many(16);
    bench.process(&tasks);
    assert_eq!(bench.store.calls(Kind::Extend).len(), 4);
    bench.audit();
}

#[test]
fn a_running_task_that_is_cancelled_is_cut_off_soon() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add_one();
    let operator = bench.worker("operator", 2);
    let cancel = async {
        bench.clock.sleep(secs(33)).await;
        assert_eq!(operator.cancel(&[task], "not wanted").await.unwrap()[0].refused, None);
    };
    let answered = work_while(&bench, task, cancel);
    assert_eq!((answered.answer, answered.why), (Answer::Acknowledge, Why::StaleLease), "by the row");
    let (ended, by_itself) = bench.handler.the_run().ended.unwrap();
    assert!(!by_itself && ended <= secs(33) + bench.policy.lease / 2, "within a renewal of the lease: {ended:?}");
    assert_eq!((bench.status(task), bench.events(task)), (Some(Status::Cancelled), vec![Added, Started, Cancelled]));
    assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TasksFailed)), (1, 0));
    bench.audit();
}

/// Another program puts the task back in the middle of the work, and another worker takes it.
async fn take_over(bench: &Bench, task: TaskId) {
    bench.clock.sleep(secs(5)).await;
    assert!(bench.rows.foreign_write(task, "Pending"));
    let taken = bench.worker("two", 2);
    let answers = taken.process(vec![Delivery::of(task, "second")], &Stop::never()).await;
    assert_eq!((&answers[0].answer, &answers[0].why), (&Answer::Acknowledge, &Why::Completed));
}

#[test]
fn a_worker_that_lost_its_lease_is_cut_off_and_its_work_counts_for_nothing() {
    // The first run takes longer than the second, which takes longer than a renewal.
    let bench = Bench::new(|_, number| Act::takes(secs(if number == 1 { 500 } else { 100 })));
    let task = bench.add_one();
    let answered = work_while(&bench, task, take_over(&bench, task));
    assert_eq!(answered.why, Why::StaleLease);
    assert!(matches!(answered.answer, Answer::RetryAfter(left) if left <= bench.policy.lease), "{answered:?}");
    let runs = bench.handler.runs();
    let (ended, by_itself) = runs[0].ended.unwrap();
    assert!(!by_itself && ended <= secs(5) + bench.policy.lease / 2, "{ended:?}");
    assert_eq!(runs[1].ended, Some((secs(105), true)), "the second is not disturbed");
    assert_eq!(bench.events(task), [Added, Started, Overwritten, Started, Completed]);
    assert_eq!(bench.last_entry(task).origin.worker.as_ref(), "two");
    assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TasksCompleted)), (1, 1));
    bench.audit();
}

#[test]
fn a_result_that_comes_after_the_lease_was_lost_counts_for_nothing() {
    // The first is done before any renewal could have told that the lease was lost.
    let bench = Bench::new(|_, number| Act::takes(secs(if number == 1 { 6 } else { 100 })));
    let task = bench.add_one();
    let answered = work_while(&bench, task, take_over(&bench, task));
    assert_eq!(answered.why, Why::StaleLease);
    assert_eq!(answered.answer, Answer::RetryAfter(secs(59)), "until the lease of the other ends");
    assert!(bench.handler.runs().iter().all(|run| run.ended.is_some_and(|(_, by_itself)| by_itself)));
    assert_eq!(bench.events(task), [Added, Started, Overwritten, Started, Completed]);
    assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TasksCompleted)), (1, 1));
    assert_eq!(bench.count(Metric::TaskLatency), 1, "what counts for nothing is not measured");
    bench.audit();
}

#[test]
fn a_lease_that_cannot_be_renewed_ends_the_work_at_its_end_and_not_later() {
    for fault in [Fault::Unavailable, Fault::Unknown, Fault::Slow(secs(5_000))] {
        let bench = Bench::new(|_, _| Act::takes(secs(800)));
        let task = bench.add_one();
        bench.store.fails(move |call| if call.kind == Kind::Extend { fault } else { Fault::No });
        let (answer, why) = bench.process_one(task);
        assert_eq!(bench.handler.the_run().ended, Some((secs(60), false)), "{fault:?}");
        assert_eq!(why, Why::WillRetry("the lease could not be renewed".to_owned()));
        assert!(matches!(answer, Answer::RetryAfter(_)));
        assert_eq!(bench.events(task), [Added, Started, Failed]);
        let asked = bench.store.calls(Kind::Extend).len();
        assert!(asked <= 12, "not in a tight circle: {asked}");
        bench.audit();
    }
}

#[test]
fn the_last_renewal_that_went_through_counts() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add_one();
    bench.store.fails(|call| if call.kind == Kind::Extend && call.nth > 2 { Fault::Unavailable } else { Fault::No });
    bench.process_one(task);
    let second = bench.store.calls(Kind::Extend)[1].at;
    assert_eq!(bench.handler.the_run().ended, Some((second + secs(60), false)));
    bench.audit();
}

#[test]
fn a_renewal_that_fails_now_and_then_does_no_harm() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add_one();
    bench.store.fails(|call| match (call.kind, call.nth % 3) {
        (Kind::Extend, 0) => Fault::No,
        (Kind::Extend, _) => Fault::Unavailable,
        _ => Fault::No,
    });
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    let (troubles, recoveries) = (bench.told.troubles().len(), bench.told.recoveries().len());
    assert!(recoveries > 10 && troubles - recoveries <= 1, "told when it begins and when it is over");
    bench.audit();
}

#[test]
fn work_that_must_not_run_twice_is_given_up_when_its_lease_ends() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add(&[NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[0];
    bench.store.fails(|call| if call.kind == Kind::Extend { Fault::Unavailable } else { Fault::No });
    let reason = "the lease could not be renewed".to_owned();
    assert_eq!(bench.process_one(task), (Answer::DeadLetter, Why::Dead(reason)));
    assert_eq!((bench.status(task), bench.events(task)), (Some(Status::Failed), vec![Added, Started, Failed]));
    bench.audit();
}

#[test]
fn short_leases_are_kept_too() {
    let bench = Bench::new(|_, _| Act::takes(secs(30))).with(|policy| policy.lease = secs(1));
    let task = bench.add_one();
    bench.store.fails(|call| if call.kind == Kind::Extend { Fault::Slow(ms(200)) } else { Fault::No });
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    bench.audit();
}

#[test]
fn a_delivery_of_a_task_whose_worker_vanished_takes_it_over() {
    let bench = Bench::new(|_, _| Act::done());
    let [again, once] =
        bench.add(&[NewTask::titled("again"), NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[..]
    else {
        unreachable!()
    };
    let vanished = bench.clock.run(bench.worker("two", 2).claim_due(2)).unwrap();
    assert_eq!(vanished.len(), 2);
    bench.clock.advance(secs(60));
    assert_eq!(bench.process_one(again), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.row(again).attempt, 2, "the attempt that vanished is counted");
    let reason = "the lease ran out, and the work must not run twice".to_owned();
    assert_eq!(bench.process_one(once), (Answer::DeadLetter, Why::AlreadyFailed(reason)));
    assert_eq!((bench.count(Metric::TasksAbandoned), bench.count(Metric::TasksDead)), (2, 1));
    bench.audit();
}

#[test]
fn work_whose_delivery_its_source_has_lost_is_cut_off_and_the_rest_goes_on() {
    let bench = Bench::new(|_, attempt| if attempt == 1 { Act::takes(secs(100)) } else { Act::done() });
    let once = NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") };
    let tasks = bench.add(&[NewTask::titled("lost"), NewTask::titled("kept"), once]);
    let losses = [(secs(10), vec![tasks[0]]), (secs(10), vec![tasks[2]])];
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks.clone())]).losing(losses);
    bench.drive(&feed, &Stop::never());
    assert_eq!(feed.answered_at(tasks[0]), [secs(10) + bench.policy.linger], "at once");
    assert_eq!(bench.events(tasks[0]), [Added, Started, Failed]);
    assert_eq!((bench.status(tasks[0]), bench.row(tasks[0]).attempt), (Some(Status::Pending), 1));
    assert!(bench.row(tasks[0]).reason.unwrap().contains("the delivery could not be kept"));
    assert_eq!(bench.status(tasks[2]), Some(Status::Failed), "nobody can say how far it came");
    assert_eq!((bench.status(tasks[1]), feed.answered_at(tasks[1])), (Some(Status::Completed), vec![secs(100)]));
    bench.audit();
}

/// The process or its machine stood still, or the clock was set.
#[test]
fn a_leap_in_time_cuts_off_only_what_others_have_taken_over() {
    let bench = Bench::new(|_, attempt| Act::takes(if attempt == 1 { secs(800) } else { secs(1) }));
    let tasks = bench.add_many(2);
    bench.store.fails(|call| if call.kind == Kind::Extend { Fault::Slow(ms(200)) } else { Fault::No });
    let other = bench.worker("two", 2);
    let leap = async {
        bench.clock.sleep(secs(70)).await;
        bench.clock.advance(secs(3_600));
        let answers = other.process(vec![Delivery::of(tasks[0], "again")], &Stop::never()).await;
        assert_eq!(answers[0].why, Why::Completed);
    };
    let (engine, stop) = (bench.engine(), Stop::never());
    let deliveries = tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect();
    let (answers, ()) = bench.clock.run(futures_util::future::join(engine.process(deliveries, &stop), leap));
    let why = |task| answers.iter().find(|one| one.delivery.task() == Some(task)).map(|one| &one.why);
    assert_eq!((why(tasks[0]), why(tasks[1])), (Some(&Why::StaleLease), Some(&Why::Completed)));
    assert_eq!(bench.events(tasks[1]), [Added, Started, Completed], "its lease was as good as before");
    assert_eq!(bench.count(Metric::StaleLeases), 1);
    bench.audit();
}

#[test]
fn a_leap_in_time_during_an_outage_cuts_off_a_moment_later() {
    let bench = Bench::new(|_, _| Act::takes(secs(800)));
    let task = bench.add_one();
    bench.store.fails(|call| if call.kind == Kind::Extend { Fault::Unavailable } else { Fault::No });
    let leap = async {
        bench.clock.sleep(secs(10)).await;
        bench.clock.advance(secs(100));
    };
    let answered = work_while(&bench, task, leap);
    assert!(matches!(answered.why, Why::WillRetry(_)), "{answered:?}");
    let (ended, by_itself) = bench.handler.the_run().ended.unwrap();
    assert!(!by_itself && ended <= secs(116), "a twelfth of the lease later: {ended:?}");
    bench.audit();
}
