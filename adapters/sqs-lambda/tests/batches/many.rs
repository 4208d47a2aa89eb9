//! Many messages, and many invocations at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Clock;
use taskwatch_core::task::Status::Completed;
use taskwatch_core::task::{NewTask, TaskId};

use crate::bench::{Bench, event, record, record_of, secs};

/// The most that a mapping hands over.
const MOST: usize = 10_000;

#[test]
fn the_largest_batch_is_answered_message_by_message() {
    let bench = Bench::new();
    let tasks = vec![NewTask::titled("fine"); MOST];
    let added = bench.clock.run(bench.engine.add(&tasks)).unwrap();
    let poison = |index: usize| index % 1_000 == 999;
    let records = added.iter().enumerate().map(|(index, added)| {
        let id = format!("m{index}");
        if poison(index) { record_of(&id, "poison") } else { record(&id, added.task()) }
    });
    let expected: Vec<_> = (0..MOST).filter(|index| poison(*index)).map(|index| format!("m{index}")).collect();
    assert_eq!(bench.work(&event(records)), Ok(expected));
    assert_eq!(bench.statuses().iter().filter(|status| **status == Completed).count(), MOST - 10);
    bench.audit();
}

#[test]
fn invocations_at_once_work_every_task_once() {
    let bench = Bench::new();
    let batches = bench.batches();
    let tasks: Vec<[TaskId; 5]> =
        (0..8).map(|_| bench.add(["takes 1", "takes 2", "fine", "fails", "takes 3"])).collect();
    let shared = tasks[0][4];
    let events: Vec<_> = tasks
        .iter()
        .enumerate()
        .map(|(n, tasks)| {
            // The last is in every batch: SQS delivers at least once.
            let ids = tasks[..4].iter().chain([&shared]);
            event(ids.enumerate().map(|(index, task)| record(&format!("{n}-{index}"), *task)))
        })
        .collect();
    let deadline = bench.clock.now() + secs(300);
    let responses = bench.clock.run(join_all(events.iter().map(|event| batches.work(event, deadline))));

    let kept: BTreeSet<String> = responses
        .into_iter()
        .flat_map(|response| response.unwrap().batch_item_failures)
        .map(|one| one.item_identifier)
        .collect();
    let failed: BTreeSet<String> = (0..8).map(|n| format!("{n}-3")).collect();
    assert!(failed.is_subset(&kept), "{kept:?}");
    let others: Vec<_> = kept.difference(&failed).collect();
    assert!(others.iter().all(|id| id.ends_with("-4")) && others.len() == 7, "one of them works it: {others:?}");
    assert_eq!(bench.begun().iter().filter(|(task, _)| *task == shared).count(), 1);
    assert_eq!(bench.count(Metric::TasksCompleted), 8 * 3 + 1);
    bench.audit();
}
