//! What is kept while the store does not answer.

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::task::{Status, TaskId};
use taskwatch_core::transition::EventKind::{Added, Completed, Started};

use crate::bench::{Bench, secs};
use crate::flaky::{Fault, Kind};
use crate::handler::Act;
use crate::source::{Feed, Reply};

/// A store that is away for this long.
fn away(seconds: u64) -> Bench {
    let bench = Bench::new(|_, _| Act::done());
    bench.store.fails(move |call| if call.at < secs(seconds) { Fault::Unavailable } else { Fault::No });
    bench
}

fn some_then_nothing(bench: &Bench, tasks: &[TaskId]) -> Feed {
    Feed::for_ever(&bench.clock, [Reply::Tasks(tasks.to_vec()), Reply::Waits(secs(1))])
}

#[test]
fn what_came_during_an_outage_is_received_once_and_worked_soon_after_it() {
    let bench = away(200);
    let tasks = bench.add_many(3);
    let feed = some_then_nothing(&bench, &tasks).keeping();
    bench.drive(&feed, &bench.stop_after(secs(206)));
    assert_eq!(feed.answers(), vec![(Answer::Acknowledge, Why::Completed); 3]);
    assert!(feed.asked().iter().filter(|asked| asked.at < secs(200)).count() == 1, "nothing else is received");
    assert!(tasks.iter().all(|task| bench.events(*task) == [Added, Started, Completed]));
    let calls = bench.store.calls(Kind::Ids).len();
    assert!((40..200).contains(&calls), "about one in 2.5 s: {calls}");
    assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1));
    bench.audit();
}

#[test]
fn after_some_minutes_others_get_it() {
    let bench = away(600);
    let tasks = bench.add_many(2);
    let feed = some_then_nothing(&bench, &tasks).keeping();
    bench.drive(&feed, &bench.stop_after(secs(400)));
    let at: Vec<_> = tasks.iter().flat_map(|task| feed.answered_at(*task)).collect();
    assert!(at.len() == 2 && at.iter().all(|at| (secs(300)..secs(310)).contains(at)), "{at:?}");
    assert!(feed.answers().iter().all(|(answer, _)| *answer == Answer::RetryAfter(bench.policy.retry_delay)));
}

#[test]
fn it_is_given_back_at_a_stop() {
    let bench = away(600);
    let tasks = bench.add_many(2);
    let feed = some_then_nothing(&bench, &tasks).keeping();
    bench.drive(&feed, &bench.stop_after(secs(20)));
    let answers = feed.answers();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(bench.elapsed() < secs(21), "nothing is waited for: {:?}", bench.elapsed());
}

#[test]
fn what_is_lost_meanwhile_is_left_to_others() {
    // Between two claims; while one is under way that succeeds.
    for (outage, then) in [(secs(200), Fault::No), (secs(15), Fault::Slow(secs(7)))] {
        let bench = Bench::new(|_, _| Act::done());
        bench.store.fails(move |call| if call.at < outage { Fault::Unavailable } else { then });
        let tasks = bench.add_many(2);
        let feed = some_then_nothing(&bench, &tasks).losing([(secs(20), vec![tasks[0]])]).keeping();
        bench.drive(&feed, &bench.stop_after(secs(230)));
        assert_eq!((bench.status(tasks[0]), bench.status(tasks[1])), (Some(Status::Pending), Some(Status::Completed)));
        assert_eq!(bench.row(tasks[0]).attempt, 0, "nothing was tried: {then:?}");
        assert_eq!(bench.handler.runs().len(), 1);
        bench.audit();
    }
}
