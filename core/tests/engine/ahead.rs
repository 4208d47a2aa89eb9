//! Tasks that are claimed before there is a place to run them.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::TaskId;
use taskwatch_core::transition::EventKind::{Added, Completed, Released, Started};

use crate::bench::{Bench, ms, secs};
use crate::handler::Act;
use crate::source::{Feed, Reply};

/// Two at once; the first tasks take a millisecond each, the later ones as long as they are told to.
fn bench(short: i64, later: Duration) -> Bench {
    let time = move |task: TaskId| if task.get() <= short { ms(1) } else { later };
    Bench::new(move |task, _| Act::takes(time(task))).with(|policy| {
        // What is given back must not depend on it.
        (policy.concurrency, policy.lease) = (2, secs(12 * 60 * 60));
    })
}

fn replies(tasks: &[TaskId], first: usize) -> [Reply; 2] {
    [&tasks[..first], &tasks[first..]].map(|some| Reply::Tasks(some.to_vec()))
}

#[test]
fn short_attempts_fill_whole_claims_and_no_more_of_them_run_at_once() {
    let bench = bench(1_000, ms(1));
    let tasks = bench.add_many(52);
    let feed = Feed::once(&bench.clock, replies(&tasks, 2));
    bench.drive(&feed, &Stop::never());
    assert_eq!(feed.asked().iter().take(2).map(|asked| asked.max).collect::<Vec<_>>(), [2, 52]);
    assert_eq!(bench.handler.most_at_once(), 2);
    assert_eq!(feed.answers(), vec![(Answer::Acknowledge, Why::Completed); 52]);
    bench.audit();
}

#[test]
fn what_was_claimed_ahead_goes_back_when_those_before_it_take_their_time() {
    let bench = bench(2, secs(30));
    let tasks = bench.add_many(12);
    let feed = Feed::once(&bench.clock, replies(&tasks, 2));
    bench.drive(&feed, &Stop::never());
    let (run, back) = (&tasks[2..4], &tasks[4..]);
    assert!(run.iter().all(|task| bench.events(*task) == [Added, Started, Completed]));
    for task in back {
        assert_eq!(bench.events(*task), [Added, Started, Released]);
        assert_eq!(bench.row(*task).attempt, 0, "it costs no attempt");
        let [at] = feed.answered_at(*task)[..] else { panic!("{task}") };
        assert!(at >= secs(2) && at < ms(2_100), "{at:?}: half of no visibility has gone");
    }
    let given_back = |(answer, why): &(Answer, Why)| {
        *answer == Answer::RetryAfter(Duration::ZERO) && matches!(why, Why::Released(_))
    };
    assert_eq!(feed.answers().iter().filter(|answer| given_back(answer)).count(), back.len());
    bench.audit();
}

#[test]
fn after_one_that_takes_its_time_nothing_is_claimed_ahead() {
    let bench = bench(2, ms(100));
    let tasks = bench.add_many(4);
    let replies = replies(&tasks, 2).into_iter().chain([Reply::Waits(secs(1))]);
    let feed = Feed::once(&bench.clock, replies);
    bench.drive(&feed, &Stop::never());
    assert_eq!(feed.asked().iter().map(|asked| asked.max).collect::<Vec<_>>(), [2, 52, 50, 2]);
    bench.audit();
}

#[test]
fn a_stop_gives_back_what_has_not_had_its_turn() {
    let bench = bench(2, ms(500));
    let tasks = bench.add_many(12);
    let feed = Feed::once(&bench.clock, replies(&tasks, 2));
    bench.drive(&feed, &bench.stop_after(ms(100)));
    let ends: Vec<_> = tasks[2..].iter().filter_map(|task| bench.events(*task).pop()).collect();
    assert_eq!(ends, [vec![Completed; 2], vec![Released; 8]].concat());
    bench.audit();
}

#[test]
fn an_attempt_lasts_from_its_turn_and_not_from_its_claim() {
    let bench = bench(0, secs(10));
    let tasks = bench.add_many(6);
    bench.process(&tasks);
    let durations = bench.told.metrics().into_iter().filter(|event| event.metric == Metric::TaskDuration);
    assert_eq!(durations.map(|event| event.value).collect::<Vec<_>>(), [10_000.0; 6]);
    bench.audit();
}
