//! Order within groups.

use std::sync::{Arc, Mutex};

use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::ports::Failure;
use taskwatch_core::task::{Status, TaskId};

use crate::bench::{Bench, ms, secs};
use crate::handler::Act;

fn in_group(task: TaskId, group: &str) -> Delivery {
    Delivery { group: Some(group.to_owned()), ..Delivery::of(task, format!("{group}-{task}")) }
}

#[test]
fn a_group_runs_in_order_and_groups_run_beside_each_other() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&begun);
    let bench = Bench::new(move |task, _| {
        log.lock().unwrap().push(task);
        // The first of each group takes longest.
        if task.get() <= 2 { Act::takes(secs(5)) } else { Act::takes(ms(10)) }
    });
    let tasks = bench.add_many(6);
    let deliveries: Vec<Delivery> =
        tasks.iter().zip(["a", "b"].iter().cycle()).map(|(&task, group)| in_group(task, group)).collect();
    let answers = bench.deliver(deliveries);
    assert_eq!(answers.len(), 6);
    assert!(answers.iter().all(|answered| answered.why == Why::Completed), "{answers:?}");
    let begun = begun.lock().unwrap().clone();
    assert_eq!(begun[..2], tasks[..2], "the heads of both groups at once");
    let (of_a, of_b): (Vec<TaskId>, Vec<TaskId>) =
        begun.iter().partition(|task| tasks.iter().position(|one| one == *task).unwrap() % 2 == 0);
    assert!(of_a.is_sorted() && of_b.is_sorted(), "{begun:?}");
}

#[test]
fn one_that_comes_again_holds_back_the_rest_of_its_group_and_no_other() {
    let bench = Bench::new(|task, _| if task.get() == 2 { Act::fail(Failure::retry("not now")) } else { Act::done() });
    let tasks = bench.add_many(5);
    let mut deliveries: Vec<Delivery> = tasks[..4].iter().map(|&task| in_group(task, "a")).collect();
    deliveries.push(in_group(tasks[4], "b"));
    let answers = bench.deliver(deliveries);
    let why = |index: usize| {
        let found = answers.iter().find(|answered| answered.delivery.task() == Some(tasks[index])).unwrap();
        (found.answer.clone(), found.why.clone())
    };
    assert_eq!(why(0), (Answer::Acknowledge, Why::Completed));
    assert!(matches!(why(1), (Answer::RetryAfter(_), Why::WillRetry(_))));
    for held_back in [2, 3] {
        assert_eq!(why(held_back), (Answer::RetryAfter(secs(0)), Why::BehindAnother));
        assert_eq!(bench.row(tasks[held_back]).recorded, Some(Status::Pending), "nothing ran");
        assert_eq!(bench.row(tasks[held_back]).attempt, 0);
    }
    assert_eq!(why(4), (Answer::Acknowledge, Why::Completed));
}

#[test]
fn a_stop_gives_back_what_still_waits_in_its_group() {
    let bench = Bench::new(|_, _| Act::takes(secs(3)));
    let tasks = bench.add_many(3);
    let deliveries = tasks.iter().map(|&task| in_group(task, "a")).collect();
    let answers = bench.clock.run(bench.engine().process(deliveries, &bench.stop_after(secs(1))));
    assert_eq!(answers.len(), 3);
    let done = answers.iter().filter(|answered| answered.why == Why::Completed).count();
    assert_eq!(done, 1, "the one that ran may finish: {answers:?}");
    assert!(answers.iter().filter(|a| a.why != Why::Completed).all(|a| a.answer == Answer::RetryAfter(secs(0))));
}
