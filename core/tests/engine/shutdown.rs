//! A stop: what runs may finish, and what does not is given back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::due::DueSource;
use taskwatch_core::metric::Metric;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, OnAbandon, Status};
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Released, Started};

use crate::bench::{Bench, START, secs};
use crate::flaky::{Fault, Kind};
use crate::handler::Act;
use crate::source::{Feed, Reply};

const SHUTTING_DOWN: &str = "shutting down";
const NOT_BEGUN: &str = "not begun in time";
/// How long, after the drain, answers that are under way are still waited for.
const GRACE: Duration = secs(5);

fn released(why: &str) -> (Answer, Why) {
    (Answer::RetryAfter(secs(0)), Why::Released(why.to_owned()))
}

#[test]
fn what_runs_may_finish_and_nothing_new_starts() {
    let bench = Bench::new(|_, _| Act::takes(secs(15))).with(|policy| policy.concurrency = 2);
    let tasks = bench.add_many(6);
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks.clone())]);
    bench.drive(&feed, &bench.stop_after(secs(5)));
    assert_eq!(feed.answers(), vec![(Answer::Acknowledge, Why::Completed); 2]);
    assert_eq!((bench.elapsed(), bench.handler.runs().len()), (secs(15), 2), "it ends when they have, not later");
    assert!(tasks[2..].iter().all(|task| bench.events(*task) == [Added]));
    bench.audit();
}

#[test]
fn what_does_not_finish_is_given_back_and_costs_no_attempt() {
    let bench = Bench::new(|_, _| Act::takes(secs(500)));
    let task = bench.add_one();
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(1))]);
    bench.drive(&feed, &bench.stop_after(secs(30)));
    assert_eq!(feed.answers(), [released(SHUTTING_DOWN)]);
    assert_eq!(bench.handler.the_run().ended, Some((secs(50), false)), "after the drain");
    assert_eq!(bench.elapsed(), secs(50));
    let row = bench.row(task);
    assert_eq!((row.status.known(), row.attempt, row.due), (Some(Status::Pending), 0, START + secs(50)));
    assert_eq!(bench.events(task), [Added, Started, Released]);
    assert_eq!((bench.count(Metric::TasksReleased), bench.count(Metric::TaskDuration)), (1, 0));
    bench.audit();
}

#[test]
fn the_drain_ends_early_when_time_is_up() {
    for (stop_after, time_up_after, cut_off_at) in
        [(30, 37, 37), (30, 30, 30), (30, 10, 10), (30, 50, 50), (30, 90, 50)]
    {
        let bench = Bench::new(|_, _| Act::takes(secs(500)));
        let task = bench.add_one();
        let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(1))]);
        let time_up = bench.stop_after(secs(time_up_after));
        let stop = bench.stop_after(secs(stop_after)).until(async move { time_up.wait().await });
        bench.drive(&feed, &stop);
        assert_eq!(feed.answers(), [released(SHUTTING_DOWN)]);
        assert_eq!(bench.handler.the_run().ended, Some((secs(cut_off_at), false)), "{time_up_after}");
        assert_eq!((bench.row(task).attempt, bench.events(task)), (0, vec![Added, Started, Released]));
        bench.audit();
    }
}

#[test]
fn work_that_must_not_run_twice_is_given_up_when_it_is_cut_off() {
    let bench = Bench::new(|_, _| Act::takes(secs(500)));
    let task = bench.add(&[NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[0];
    let feed = Feed::once(&bench.clock, [Reply::Tasks(vec![task])]);
    bench.drive(&feed, &bench.stop_after(secs(30)));
    assert_eq!(feed.answers(), [(Answer::DeadLetter, Why::Dead(SHUTTING_DOWN.to_owned()))]);
    assert_eq!((bench.status(task), bench.events(task)), (Some(Status::Failed), vec![Added, Started, Failed]));
    bench.audit();
}

#[test]
fn nothing_starts_when_the_stop_is_set_already() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(3);
    let stop = Stop::when(std::future::ready(()));
    let deliveries = tasks.iter().map(|task| Delivery::of(*task, "r")).collect();
    let answers = bench.clock.run(bench.engine().process(deliveries, &stop));
    assert_eq!(
        answers.into_iter().map(|one| (one.answer, one.why)).collect::<Vec<_>>(),
        vec![released(SHUTTING_DOWN); 3]
    );
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(tasks.clone())]);
    bench.drive(&feed, &stop);
    assert!(feed.asked().is_empty(), "the source is not even asked");
    assert!(bench.handler.runs().is_empty() && tasks.iter().all(|task| bench.events(*task) == [Added]));
    assert_eq!(bench.elapsed(), secs(0));
}

#[test]
fn a_claim_that_comes_through_after_the_stop_is_released_untried() {
    let bench = Bench::new(|_, _| Act::done());
    let [again, once] =
        bench.add(&[NewTask::titled("again"), NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("once") }])[..]
    else {
        unreachable!()
    };
    bench.store.fails(|call| if call.nth == 1 { Fault::Slow(secs(10)) } else { Fault::No });
    let feed = Feed::once(&bench.clock, [Reply::Tasks(vec![again, once])]);
    bench.drive(&feed, &bench.stop_after(secs(5)));
    assert_eq!(feed.answers(), vec![released(NOT_BEGUN); 2]);
    assert!(bench.handler.runs().is_empty());
    for task in [again, once] {
        assert_eq!(bench.events(task), [Added, Started, Released], "what never ran may run later");
        assert_eq!((bench.status(task), bench.row(task).attempt), (Some(Status::Pending), 0));
    }
    bench.audit();
}

#[test]
fn a_claim_of_the_table_that_comes_through_after_the_stop_is_released_untried() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    bench.store.fails(|call| if call.kind == Kind::Due { Fault::Slow(secs(10)) } else { Fault::No });
    let engine = bench.engine();
    let stop = bench.stop_after(secs(5));
    let source = DueSource::new(Arc::clone(&engine), secs(1), stop.clone());
    bench.clock.run(engine.drive(&source, &stop));
    assert_eq!(bench.events(task), [Added, Started, Released]);
    assert!(bench.handler.runs().is_empty());
    bench.audit();
}

#[test]
fn a_source_that_never_answers_holds_up_not_much_longer_than_the_drain() {
    let bench = Bench::new(|_, _| Act::done());
    let feed = Feed::once(&bench.clock, [Reply::Waits(secs(10_000))]);
    bench.drive(&feed, &bench.stop_after(secs(5)));
    assert_eq!(bench.elapsed(), secs(25) + GRACE);
}

#[test]
fn a_store_that_does_not_answer_holds_up_not_much_longer_than_the_drain() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let task = bench.add_one();
    bench.store.fails(|call| if call.nth == 1 && call.kind == Kind::Ids { Fault::No } else { Fault::Unavailable });
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(1))]);
    bench.drive(&feed, &bench.stop_after(secs(30)));
    assert!(secs(50) <= bench.elapsed() && bench.elapsed() <= secs(50) + GRACE, "{:?}", bench.elapsed());
    let answers = feed.answers();
    assert!(matches!(&answers[..], [(Answer::RetryAfter(_), Why::StoreFailed(_))]), "{answers:?}");
    assert_eq!(bench.events(task), [Added, Started], "its lease has run out, and whoever finds it goes on");
}

#[test]
fn a_stop_during_an_outage_still_writes_what_was_done_once_the_store_is_back() {
    let bench = Bench::new(|_, _| Act::takes(secs(1)));
    let task = bench.add_one();
    bench.store.fails(|call| {
        if call.kind == Kind::Ids && call.nth > 1 && call.at < secs(40) { Fault::Unavailable } else { Fault::No }
    });
    let feed = Feed::for_ever(&bench.clock, [Reply::Tasks(vec![task]), Reply::Waits(secs(1))]);
    bench.drive(&feed, &bench.stop_after(secs(30)));
    assert_eq!(bench.events(task), [Added, Started, Completed]);
    assert!(bench.elapsed() < secs(46), "{:?}", bench.elapsed());
    bench.audit();
}

#[test]
fn two_workers_can_drain_and_carry_on() {
    let bench = Bench::new(|_, _| Act::takes(secs(100)));
    let task = bench.add_one();
    let (one, two) = (bench.engine(), bench.engine());
    let stop = bench.stop_after(secs(10));
    let first = one.process(vec![Delivery::of(task, "r")], &stop);
    let never = Stop::never();
    let second = async {
        taskwatch_core::ports::Clock::sleep(&bench.clock, secs(31)).await;
        two.process(vec![Delivery::of(task, "r")], &never).await
    };
    let (first, second) = bench.clock.run(join(first, second));
    assert_eq!((first[0].answer.clone(), first[0].why.clone()), released(SHUTTING_DOWN));
    assert_eq!(second[0].why, Why::Completed);
    assert_eq!(bench.row(task).attempt, 1, "the attempt given back was not counted");
    bench.audit();
}
