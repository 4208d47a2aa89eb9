//! A store that does not answer, or loses the answer.

use std::time::Duration;

use futures_util::future::join;
use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Clock as _, Failure};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Cancelled, Completed, Failed, Released, Started};

use crate::bench::{Bench, START, ms, secs};
use crate::flaky::{Fault, Kind};
use crate::handler::Act;
use crate::source::{Feed, Reply};

const CLAIM: usize = 1;
const SETTLE: usize = 2;

/// This transaction on announced tasks has this fault, and all others none.
fn fails_once(bench: &Bench, nth: usize, fault: Fault) {
    bench.store.fails(move |call| if (call.kind, call.nth) == (Kind::Ids, nth) { fault } else { Fault::No });
}

#[test]
fn a_claim_that_fails_sends_everything_back_and_runs_nothing() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(3);
    fails_once(&bench, CLAIM, Fault::Unavailable);
    for (answer, why) in bench.process(&tasks) {
        assert_eq!(answer, Answer::RetryAfter(bench.policy.retry_delay));
        assert!(matches!(why, Why::StoreFailed(_)), "{why:?}");
    }
    assert!(bench.handler.runs().is_empty());
    assert!(tasks.iter().all(|task| bench.events(*task) == [Added]));
    assert_eq!((bench.told.troubles().len(), bench.store.calls(Kind::Ids).len()), (1, 1));
    bench.audit();
}

#[test]
fn a_batch_of_many_claims_goes_back_after_the_first_that_the_database_did_not_answer() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(10 * bench.policy.concurrency);
    bench.store.fails(|_| Fault::Unavailable);
    let answers = bench.process(&tasks);
    assert!(answers.iter().all(|(_, why)| matches!(why, Why::StoreFailed(_))), "{answers:?}");
    assert_eq!(bench.store.calls(Kind::Ids).len(), 1, "whoever pays for the wait pays for one");

    // A single task that the database will not take says nothing about the others.
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(10 * bench.policy.concurrency);
    bench.store.will_not_take(tasks[0]);
    let answers = bench.process(&tasks);
    let completed = answers.iter().filter(|(_, why)| *why == Why::Completed).count();
    assert_eq!(completed, tasks.len() - 1);
}

#[test]
fn the_more_often_a_delivery_came_during_an_outage_the_longer_it_is_sent_back_for() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|_| Fault::Unavailable);
    let delays: Vec<_> =
        [1, 2, 3, 4, 50].map(|receive_count| Delivery { receive_count, ..Delivery::of(task, "r") }).into();
    let delays: Vec<_> = delays.into_iter().map(|delivery| bench.deliver(vec![delivery]).remove(0).answer).collect();
    assert_eq!(delays, [5, 10, 20, 40, 900].map(|seconds| Answer::RetryAfter(secs(seconds))));
}

#[test]
fn a_task_that_the_store_will_not_take_holds_up_no_other() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let tasks = bench.add_many(3);
    bench.store.will_not_take(tasks[1]);
    let answers = bench.process(&tasks);
    assert!(matches!(answers[1], (Answer::RetryAfter(_), Why::StoreRefused(_))), "{answers:?}");
    assert_eq!(bench.handler.runs().len(), 2, "it does not run");
    for place in [0, 2] {
        assert_eq!(answers[place], (Answer::Acknowledge, Why::Completed));
    }
    bench.audit();
}

#[test]
fn a_result_that_the_store_will_not_take_holds_up_no_other() {
    let bench = Bench::new(|_, _| Act::takes(secs(5)));
    let tasks = bench.add_many(3);
    let spoil = async {
        bench.clock.sleep(secs(2)).await;
        bench.store.will_not_take(tasks[1]);
    };
    let (engine, stop) = (bench.engine(), Stop::never());
    let work = engine.process(tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect(), &stop);
    let (answers, ()) = bench.clock.run(join(work, spoil));
    let of = |task| answers.iter().find(|one| one.delivery.task() == Some(task)).map(|one| &one.why);
    assert!(matches!(of(tasks[1]), Some(Why::StoreRefused(_))), "{answers:?}");
    assert_eq!((of(tasks[0]), of(tasks[2])), (Some(&Why::Completed), Some(&Why::Completed)));
    assert_eq!(bench.elapsed(), secs(5), "nobody waits for it");
    bench.audit();
}

#[test]
fn a_result_whose_row_is_locked_is_kept_and_holds_up_no_other() {
    let bench = Bench::new(|_, _| Act::takes(secs(5)));
    let tasks = bench.add_many(3);
    let somebody = async {
        bench.clock.sleep(secs(2)).await;
        bench.store.is_locked(Some(tasks[1]));
        bench.clock.sleep(secs(18)).await;
        bench.store.is_locked(None);
    };
    let (engine, stop) = (bench.engine(), Stop::never());
    let work = engine.process(tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect(), &stop);
    let (answers, ()) = bench.clock.run(join(work, somebody));
    assert!(answers.iter().all(|one| one.why == Why::Completed), "{answers:?}");
    assert_eq!(bench.handler.runs().len(), 3, "the result was not thrown away");
    assert_eq!(bench.told.metrics().iter().filter(|told| told.metric == Metric::StaleLeases).count(), 0);
    let settled = bench.rows.snapshot().into_iter().filter_map(|record| Some(record.entries.last()?.at.since(START)));
    let settled: Vec<Duration> = settled.collect();
    assert_eq!((settled[0], settled[2]), (secs(5), secs(5)), "the others are written at once");
    bench.audit();
}

#[test]
fn a_row_that_stays_locked_does_not_hold_up_those_that_come_after() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let tasks = bench.add_many(100);
    let first = tasks[0];
    let somebody = async {
        bench.clock.sleep(ms(500)).await;
        bench.store.is_locked(Some(first));
        bench.clock.sleep(secs(40)).await;
        bench.store.is_locked(None);
    };
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(tasks.clone()), Reply::Waits(secs(1))]);
    let (engine, stop) = (bench.engine(), bench.stop_after(secs(60)));
    bench.clock.run(join(engine.drive(&feed, &stop), somebody));
    let ended = |task| bench.last_entry(task).at.since(START);
    assert!(tasks.iter().all(|task| bench.status(*task) == Some(Status::Completed)));
    let written = feed.answered_at(first)[0];
    assert!((ms(40_500)..secs(46)).contains(&written), "{written:?}");
    let last = tasks[1..].iter().map(|task| ended(*task)).max();
    assert!(last < Some(secs(15)), "100 tasks of 1 s, 16 at a time, and one wait for the lock: {last:?}");
    bench.audit();
}

#[test]
fn a_task_whose_row_is_locked_is_sent_back_and_holds_up_no_other() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(3);
    bench.store.is_locked(Some(tasks[1]));
    let answers = bench.process(&tasks);
    assert_eq!(answers[1], (Answer::RetryAfter(bench.policy.retry_delay), Why::InProgress));
    assert_eq!((answers[0].clone(), bench.handler.runs().len()), ((Answer::Acknowledge, Why::Completed), 2));
    bench.audit();
}

#[test]
fn a_claim_whose_answer_was_lost_is_repeated_and_runs_once() {
    for fault in [Fault::Unknown, Fault::AnswerLost] {
        let bench = Bench::new(|_, _| Act::takes(secs(1)));
        let (ours, theirs) = (bench.add_one(), bench.rows.foreign_insert("theirs", "Pending"));
        bench.clock.advance(secs(2));
        fails_once(&bench, CLAIM, fault);
        assert_eq!(bench.process(&[ours, theirs]), vec![(Answer::Acknowledge, Why::Completed); 2]);
        let attempts: Vec<_> = bench.handler.runs().iter().map(|run| run.info.number).collect();
        assert_eq!(attempts, [1, 1], "{fault:?}");
        assert_eq!(bench.events(ours), [Added, Started, Completed]);
        let waited: Vec<f64> =
            bench.told.metrics().iter().filter(|told| told.metric == Metric::TaskWait).map(|told| told.value).collect();
        assert_eq!(waited, [2_000.0, 2_000.0], "measured as if the answer had come");
        assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1));
        bench.audit();
    }
}

#[test]
fn a_claim_whose_repetition_was_written_and_lost_as_well_runs_once() {
    for first in [Fault::Unknown, Fault::AnswerLost] {
        let bench = Bench::new(|_, _| Act::takes(secs(1)));
        let task = bench.add_one();
        bench.store.fails(move |call| match call.nth {
            1 => first,
            2 => Fault::AnswerLost,
            3 => Fault::Unavailable,
            _ => Fault::No,
        });
        assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed), "{first:?}");
        assert_eq!(bench.events(task), [Added, Started, Completed]);
        bench.audit();
    }
}

#[test]
fn a_claim_that_nobody_confirms_is_asked_about_for_a_lease_and_no_longer() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|_| Fault::Unknown);
    let (answer, why) = bench.process_one(task);
    assert_eq!(answer, Answer::RetryAfter(bench.policy.retry_delay));
    assert!(matches!(why, Why::StoreFailed(_)));
    assert!(secs(60) <= bench.elapsed() && bench.elapsed() < secs(66), "{:?}", bench.elapsed());
    assert!(bench.store.calls(Kind::Ids).len() < 60, "not in a tight circle");
    assert!(bench.handler.runs().is_empty());
    bench.audit();
}

#[test]
fn a_claim_that_is_confirmed_too_late_is_not_begun() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|call| match call.nth {
        1 => Fault::AnswerLost,
        2 => Fault::Slow(secs(61)),
        _ => Fault::No,
    });
    assert_eq!(bench.process_one(task), (Answer::RetryAfter(secs(0)), Why::Released("not begun in time".to_owned())));
    assert!(bench.handler.runs().is_empty());
    assert_eq!(bench.events(task), [Added, Started, Released]);
    bench.audit();
}

/// A way for an attempt to end, and what is answered.
fn ends() -> Vec<(Act, Why)> {
    vec![
        (Act::done(), Why::Completed),
        (Act::fail(Failure::retry_after(secs(7), "again")), Why::WillRetry("again".to_owned())),
        (Act::fail(Failure::permanent("never")), Why::Dead("never".to_owned())),
    ]
}

#[test]
fn a_settlement_whose_answer_was_lost_is_repeated_and_recorded_once() {
    for fault in [Fault::Unknown, Fault::AnswerLost] {
        for (act, why) in ends() {
            let bench = Bench::new(move |_, _| act.clone());
            let task = bench.add_one();
            fails_once(&bench, SETTLE, fault);
            assert_eq!(bench.process_one(task).1, why, "{fault:?}");
            assert_eq!((bench.events(task).len(), bench.handler.runs().len()), (3, 1));
            assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TaskDuration)), (0, 1));
            bench.audit();
        }
    }
}

#[test]
fn a_settlement_is_recognised_even_when_its_repetition_failed_as_well() {
    for (act, why) in ends() {
        let bench = Bench::new(move |_, _| act.clone());
        let task = bench.add_one();
        bench.store.fails(|call| match (call.kind, call.nth) {
            (Kind::Ids, 2) => Fault::AnswerLost,
            (Kind::Ids, 3..=6) => Fault::Unavailable,
            _ => Fault::No,
        });
        assert_eq!(bench.process_one(task).1, why);
        assert_eq!(bench.events(task).len(), 3, "written once");
        assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TaskDuration)), (0, 1));
        bench.audit();
    }
}

#[test]
fn a_settlement_is_recognised_even_after_the_length_of_a_lease() {
    for (act, why) in ends() {
        let bench = Bench::new(move |_, _| act.clone());
        let task = bench.add_one();
        bench.store.fails(|call| match (call.kind, call.nth) {
            (Kind::Ids, SETTLE) => Fault::AnswerLost,
            (Kind::Ids, 3..) if call.at < secs(200) => Fault::Unavailable,
            _ => Fault::No,
        });
        let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(1))]);
        bench.drive(&feed, &bench.stop_after(secs(300)));
        assert_eq!(feed.answers().len(), 1);
        assert_eq!(feed.answers()[0].1, why);
        assert_eq!((bench.events(task).len(), bench.count(Metric::StaleLeases)), (3, 0));
        assert_eq!(bench.count(Metric::TaskDuration), 1);
    }
}

/// Works a task of one second on a store that takes no settlement for this long, and may renew leases meanwhile.
/// Other work is at hand all the time, so that the engine does not have to end.
fn settled_after(outage: Duration, renewals: bool) -> (Bench, TaskId) {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let task = bench.add_one();
    bench.store.fails(move |call| match call.kind {
        Kind::Ids if call.nth >= SETTLE && call.at < outage => Fault::Unavailable,
        Kind::Extend if !renewals && call.at < outage => Fault::Unavailable,
        _ => Fault::No,
    });
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(20))]);
    bench.drive(&feed, &bench.stop_after(outage + secs(60)));
    assert_eq!(feed.answers(), [(Answer::Acknowledge, Why::Completed)]);
    let answered = feed.answered_at(task)[0];
    assert!(outage <= answered && answered < outage + secs(6), "soon after the store is back: {answered:?}");
    (bench, task)
}

#[test]
fn a_result_that_cannot_be_written_is_kept_and_written_later() {
    for renewals in [true, false] {
        let (bench, task) = settled_after(secs(600), renewals);
        assert_eq!(bench.events(task), [Added, Started, Completed]);
        assert_eq!(bench.last_entry(task).at.since(crate::bench::START), secs(1), "it says when the work was done");
        assert_eq!(bench.handler.runs().len(), 1);
        bench.audit();
    }
}

#[test]
fn a_store_that_is_down_is_not_asked_in_a_tight_circle() {
    let (bench, _) = settled_after(secs(3_600), true);
    let settlements = bench.store.calls(Kind::Ids).len();
    assert!(settlements < 3_600, "about one in 2.5 s, not {settlements} in an hour");
    let gaps = bench.store.calls(Kind::Ids).windows(2).map(|pair| pair[1].at - pair[0].at).collect::<Vec<_>>();
    assert!(gaps.iter().all(|gap| ms(50) <= *gap && *gap <= ms(5_050)), "{gaps:?}");
    assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1));
    let (bench, _) = settled_after(secs(3_600), false);
    assert!(bench.store.calls(Kind::Extend).len() <= 3_600 / 4, "renewals are not either");
}

#[test]
fn a_result_whose_task_was_taken_over_during_the_outage_counts_for_nothing() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let task = bench.add_one();
    let rows = bench.rows.clone();
    bench.store.fails(move |call| {
        if call.kind == Kind::Ids && call.nth == 5 {
            rows.foreign_write(task, "Cancelled");
        }
        if call.kind == Kind::Ids && (2..=5).contains(&call.nth) { Fault::Unavailable } else { Fault::No }
    });
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::StaleLease));
    assert_eq!((bench.count(Metric::StaleLeases), bench.count(Metric::TasksCompleted)), (1, 0));
    bench.audit();
}

#[test]
fn a_batch_ends_when_no_store_comes_back_before_its_leases_end() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let task = bench.add_one();
    bench.store.fails(|call| if call.kind == Kind::Ids && call.nth == 1 { Fault::No } else { Fault::Unavailable });
    let (answer, why) = bench.process_one(task);
    assert_eq!(answer, Answer::RetryAfter(bench.policy.retry_delay));
    assert!(matches!(why, Why::StoreFailed(_)), "{why:?}");
    assert!(secs(60) <= bench.elapsed() && bench.elapsed() < secs(66), "{:?}", bench.elapsed());
    assert_eq!(bench.status(task), Some(Status::InProgress), "its lease has run out: whoever finds it goes on");
    bench.audit();
}

#[test]
fn a_source_is_asked_with_growing_pauses_while_claims_fail() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|call| if call.at < secs(600) { Fault::Unavailable } else { Fault::No });
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task])]);
    bench.drive(&feed, &bench.stop_after(secs(600)));
    let claims = bench.store.calls(Kind::Ids).len();
    assert!((100..600).contains(&claims), "about one in 2.5 s: {claims}");
    assert_eq!(bench.told.troubles().len(), 1);
    assert!(bench.handler.runs().is_empty());
}

#[test]
fn an_act_whose_answer_was_lost_is_not_refused() {
    let bench = Bench::new(|_, _| Act::fail(Failure::permanent("never")));
    let (pending, failed) = (bench.add_one(), bench.add_one());
    bench.process_one(failed);
    let engine = bench.engine();
    for fault in [Fault::Unknown, Fault::AnswerLost] {
        fails_once(&bench, 1, fault);
        let replayed = bench.clock.run(engine.replay(&[failed], "fixed")).unwrap();
        assert_eq!(replayed[0].refused, None, "{fault:?}");
        bench.process_one(failed);
    }
    fails_once(&bench, 1, Fault::AnswerLost);
    let cancelled = bench.clock.run(engine.cancel(&[pending], "not wanted")).unwrap();
    assert_eq!(cancelled[0].refused, None);
    assert_eq!(bench.events(pending), [Added, Cancelled]);
    assert_eq!(bench.events(failed)[..3], [Added, Started, Failed]);
    let refused = bench.clock.run(engine.cancel(&[pending], "not wanted")).unwrap();
    assert_eq!(
        refused[0].refused.as_ref().map(ToString::to_string).as_deref(),
        Some("Cancelled is not possible while Cancelled")
    );
    bench.audit();
    assert_eq!(bench.count(Metric::TasksCompleted), 0);
}
