//! The deadline: nothing is started too late, what runs is given back, and the answer comes in time.

use std::sync::atomic::Ordering;

use futures_util::future::join;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Clock;
use taskwatch_core::task::Status::{Completed, InProgress, Pending};

use crate::bench::{Bench, DRAIN, MARGIN, event, record, secs};

#[test]
fn what_cannot_be_started_in_time_is_kept_untried() {
    // Four at a time: the last two would start when the margin has begun.
    let bench = Bench::new();
    let tasks = bench.add(["takes 22", "takes 22", "takes 22", "takes 22", "fine", "fine"]);
    let batch = event(tasks.iter().map(|task| record(&task.to_string(), *task)));
    let kept = bench.work_within(&batch, secs(30)).unwrap();
    assert_eq!(kept, [tasks[4].to_string(), tasks[5].to_string()]);
    assert_eq!(bench.statuses(), [Completed, Completed, Completed, Completed, Pending, Pending]);
    assert_eq!(bench.begun().len(), 4);
    assert!(bench.elapsed() < secs(23), "it does not wait for the deadline: {:?}", bench.elapsed());
    bench.audit();
}

#[test]
fn what_still_runs_after_the_drain_is_given_back_at_no_cost_of_an_attempt() {
    let bench = Bench::new();
    let [long, fine] = bench.add(["takes 100", "fine"]);
    let kept = bench.work_within(&event([record("long", long), record("fine", fine)]), secs(60));
    assert_eq!(kept, Ok(vec!["long".to_owned()]));
    assert_eq!(bench.elapsed(), secs(60) - MARGIN + DRAIN);
    assert_eq!((bench.statuses(), bench.attempts()), (vec![Pending, Completed], vec![0, 1]));
    assert_eq!(bench.count(Metric::TasksReleased), 1);

    // The next invocation takes it up at once.
    let kept = bench.work_within(&event([record("long", long)]), secs(900));
    assert_eq!((kept, bench.statuses()), (Ok(vec![]), vec![Completed, Completed]));
    bench.audit();
}

#[test]
fn a_function_with_a_short_timeout_still_works() {
    let bench = Bench::new();
    let [fine, long] = bench.add(["takes 5", "takes 100"]);
    // Of so little, the margin is no more than half.
    let short = MARGIN + secs(2);
    let kept = bench.work_within(&event([record("fine", fine), record("long", long)]), short);
    assert_eq!((kept, bench.elapsed()), (Ok(vec!["long".to_owned()]), short / 2 + DRAIN));
    assert_eq!(bench.statuses(), [Completed, Pending]);
}

#[test]
fn with_no_time_left_nothing_is_started_and_everything_kept() {
    let bench = Bench::new();
    let [task] = bench.add(["fine"]);
    let batches = bench.batches();
    let late = bench.clock.run(batches.work(&event([record("a", task)]), bench.clock.now()));
    assert_eq!(late.map(|response| response.batch_item_failures.len()), Ok(1));
    assert!(bench.begun().is_empty());
}

#[test]
fn a_database_that_never_answers_does_not_let_the_function_time_out() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "takes 10"]);
    let batch = event([record("a", one), record("b", two)]);
    // The claim comes through, and then nothing does any more.
    let (clock, batches) = (bench.clock.clone(), bench.batches());
    let goes_mute = async {
        clock.sleep(secs(5)).await;
        bench.store.is_mute.store(true, Ordering::Relaxed);
    };
    let deadline = clock.now() + secs(60);
    let (response, ()) = clock.run(join(batches.work(&batch, deadline), goes_mute));
    let kept: Vec<_> = response.unwrap().batch_item_failures.into_iter().map(|one| one.item_identifier).collect();
    assert!(kept.contains(&"b".to_owned()), "{kept:?}");
    assert!(clock.now() < deadline && clock.now() >= deadline.minus(secs(6)), "{:?}", bench.elapsed());
    assert_eq!(bench.statuses()[1], InProgress, "its lease will run out");

    bench.store.is_mute.store(false, Ordering::Relaxed);
    clock.advance(secs(120));
    assert_eq!(bench.work(&batch), Ok(vec![]));
    assert_eq!(bench.statuses(), [Completed, Completed]);
    bench.audit();
}

#[test]
fn a_database_that_is_mute_from_the_start_keeps_everything_in_time() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "fine"]);
    bench.store.is_mute.store(true, Ordering::Relaxed);
    let kept = bench.work_within(&event([record("a", one), record("b", two)]), secs(20));
    assert_eq!(kept, Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(bench.statuses(), [Pending, Pending]);
}
