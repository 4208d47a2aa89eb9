//! How the engine asks its source, and how much it takes on.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::task::{Status, TaskId};

use crate::bench::{Bench, ms, secs};
use crate::handler::Act;
use crate::source::{Feed, Reply};

/// One task of 100 s, and all others of 1 s.
fn one_long() -> Bench {
    Bench::new(|task, _| Act::takes(secs(if task.get() == 1 { 100 } else { 1 }))).with(|policy| policy.concurrency = 4)
}

#[test]
fn no_more_run_at_once_than_allowed_and_free_places_are_filled_again() {
    let bench = one_long();
    let tasks = bench.add_many(200);
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks.clone())]);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    assert_eq!(feed.answers(), vec![(Answer::Acknowledge, Why::Completed); 200]);
    assert_eq!(bench.handler.most_at_once(), 4);
    // 199 s of work in three places beside the long one.
    assert_eq!(bench.elapsed(), secs(100), "nobody waits for the slowest");
    bench.audit();
}

#[test]
fn the_source_is_asked_for_no_more_than_there_are_free_places() {
    let bench = one_long();
    let tasks = bench.add_many(50);
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks)]).watching(&bench);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    assert!(feed.asked().iter().any(|asked| asked.running > 0));
    for asked in feed.asked().iter() {
        assert!(asked.max > 0, "nobody asks for nothing");
        assert!(asked.max + asked.running <= 4, "{} ran, {} asked for at {:?}", asked.running, asked.max, asked.at);
    }
}

#[test]
fn a_full_engine_asks_for_nothing() {
    let bench = Bench::new(|_, _| Act::takes(secs(50))).with(|policy| policy.concurrency = 3);
    let tasks = bench.add_many(6);
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks)]);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    let asked: Vec<_> = feed.asked().iter().map(|asked| (asked.at.as_secs(), asked.max)).collect();
    assert_eq!(asked, [(0, 3), (50, 3), (100, 3)]);
}

#[test]
fn what_is_over_in_a_moment_leaves_its_place_before_more_is_asked_for() {
    let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.concurrency = 16);
    let tasks = bench.add_many(26);
    let replies = [&tasks[..10], &tasks[10..16], &tasks[16..]].map(|some| Reply::Tasks(some.to_vec()));
    let feed = Feed::once(&bench.clock, replies);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    let asked: Vec<_> = feed.asked().iter().map(|asked| (asked.at, asked.max)).collect();
    let [first, later] = [16, 128].map(|places| (Duration::ZERO, places));
    assert_eq!(asked, [first, later, later, later], "nobody waits for that either");
    bench.audit();
}

#[test]
fn what_lasts_holds_up_nobody_for_longer_than_a_moment() {
    for (running, pause) in [(1, ms(1)), (12, ms(1)), (13, ms(5))] {
        let bench = Bench::new(|_, _| Act::takes(secs(9))).with(|policy| {
            (policy.concurrency, policy.linger) = (16, ms(5));
        });
        let tasks = bench.add_many(running);
        let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks)]);
        bench.drive(&feed, &taskwatch_core::stop::Stop::never());
        let asked: Vec<_> = feed.asked().iter().map(|asked| (asked.at, asked.max)).collect();
        assert_eq!(asked, [(Duration::ZERO, 16), (pause, 16 - running)]);
    }
}

#[test]
fn a_source_that_fails_is_asked_with_growing_pauses() {
    let bench = Bench::new(|_, _| Act::done());
    let task = bench.add_one();
    let replies = vec![Reply::Fails; 100].into_iter().chain([Reply::Tasks(vec![task])]);
    let feed = Feed::once(&bench.clock, replies);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    assert_eq!(bench.status(task), Some(Status::Completed), "it goes on when the source is back");
    let asked = feed.asked();
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1].at - pair[0].at).take(100).collect();
    for (gap, failures) in gaps.iter().zip(1_u32..) {
        let ceiling = (ms(200) * 2_u32.saturating_pow(failures - 1).min(1_000)).min(secs(5));
        assert!(ms(50) <= *gap && *gap <= ms(50) + ceiling, "{gap:?} after {failures} failures");
    }
    let later = gaps[10..].iter().sum::<Duration>() / 90;
    assert!(later > secs(1), "{later:?} on average once they have grown");
    assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1));
}

#[test]
fn a_source_that_has_nothing_and_does_not_wait_is_not_asked_in_a_tight_circle() {
    for (linger, least) in [(ms(5), ms(5)), (Duration::ZERO, ms(1))] {
        let bench = Bench::new(|_, _| Act::done()).with(|policy| policy.linger = linger);
        let feed = Feed::for_ever(&bench.clock, [Reply::Nothing]);
        bench.drive(&feed, &bench.stop_after(secs(60)));
        let asked = feed.asked();
        assert!(asked.len() > 100 && asked.windows(2).all(|pair| pair[1].at - pair[0].at >= least));
    }
}

#[test]
fn a_source_that_waits_by_itself_is_asked_again_at_once() {
    let bench = Bench::new(|_, _| Act::done());
    let feed = Feed::for_ever(&bench.clock, [Reply::Waits(secs(20))]);
    bench.drive(&feed, &bench.stop_after(secs(600)));
    let asked = feed.asked().len();
    assert!((29..=31).contains(&asked), "{asked} times in ten minutes");
}

#[test]
fn results_are_written_together_but_not_held_back_by_slow_ones() {
    let bench = Bench::new(|task, _| Act::takes(secs(if task.get() == 1 { 50 } else { 1 })));
    let tasks = bench.add_many(10);
    let feed = Feed::once(&bench.clock, [Reply::Tasks(tasks.clone())]);
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    assert!(tasks[1..].iter().all(|task| feed.answered_at(*task) == [secs(1) + bench.policy.linger]));
    assert_eq!(feed.answered_at(tasks[0]), [secs(50)]);
    assert_eq!(bench.store.calls(crate::flaky::Kind::Ids).len(), 3, "one claim, two settlements");
    bench.audit();
}

#[test]
fn a_source_that_takes_no_answers_stops_nothing() {
    let bench = Bench::new(|_, _| Act::done());
    let tasks = bench.add_many(3);
    let feed = Feed::once(&bench.clock, tasks.iter().map(|task| Reply::Tasks(vec![*task]))).deaf();
    bench.drive(&feed, &taskwatch_core::stop::Stop::never());
    assert!(tasks.iter().all(|task: &TaskId| bench.status(*task) == Some(Status::Completed)));
    assert_eq!(bench.told.troubles()[0], "the queue takes no answers");
    bench.audit();
}
