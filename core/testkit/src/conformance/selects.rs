//! Which rows a transaction gets, and what becomes of them.

use futures_util::future::join_all;
use taskwatch_core::ports::{DueBefore, Inserted, Select};
use taskwatch_core::task::{FoundStatus, NewTask, Status, TaskId};
use taskwatch_core::transition::EventKind;

use super::Bench;
use super::moves::{at, claim, complete, ids, missing, origin, token};

pub(super) async fn ids_come_in_order_and_missing_ones_not_at_all(bench: Bench<'_>) {
    let tasks = bench.add(3).await;
    let mixed = ids(&[tasks[2], missing(&tasks), tasks[0], tasks[2]]);
    let seen = bench.transact(&mixed, &claim(at(0), 1)).await;
    let found: Vec<TaskId> = seen.iter().map(|seen| seen.row.id).collect();
    assert_eq!(found, [tasks[0], tasks[2]], "rows come by id, each once, and only those that exist");
    assert!(seen.iter().all(|seen| seen.written), "what was decided is written");
    let before = FoundStatus::Known(Status::Pending);
    assert!(seen.iter().all(|seen| seen.row.status == before), "rows are answered as they were before");
    assert_eq!(bench.row(tasks[1]).await.seq, 1, "a row that was not selected is left alone");
    assert!(bench.selected(&ids(&[])).await.is_empty(), "no ids, no rows");
    let gone = bench.records.record(missing(&tasks)).await.expect("the record can be read");
    assert_eq!(gone, None, "a missing task has no record");
}

pub(super) async fn leaving_a_row_writes_nothing(bench: Bench<'_>) {
    let tasks = bench.add(2).await;
    let earlier = bench.audit().await;
    let first = |row: &_| claim(at(0), 1)(row).filter(|_| false);
    let seen = bench.transact(&ids(&tasks), &first).await;
    assert!(seen.iter().all(|seen| !seen.written), "what was left is not written");
    assert_eq!(bench.audit().await, earlier, "nothing has changed");
    let seen = bench.transact(&ids(&tasks), &|row| claim(at(0), 1)(row).filter(|_| row.id == tasks[1])).await;
    let written: Vec<bool> = seen.iter().map(|seen| seen.written).collect();
    assert_eq!(written, [false, true], "each row is decided about by itself");
}

/// Many writers reach for the same rows at once. A store may let them wait for each other or let them collide: in
/// either case a row has one winner, and everyone else is told.
pub(super) async fn of_two_writers_one_is_told_that_it_lost(bench: Bench<'_>) {
    let tasks = bench.add(10).await;
    let answers = join_all((0..4).map(|writer| {
        let tasks = &tasks;
        async move { (writer, bench.transact(&ids(tasks), &claim(at(0), writer)).await) }
    }))
    .await;
    for &task in &tasks {
        let (row, entries) = bench.record(task).await;
        let started = entries.iter().filter(|entry| entry.event == EventKind::Started).count();
        assert_eq!(started, 1, "task {task} was started once");
        assert_eq!(row.seq, 2, "task {task} was written once");
        let won = answers.iter().flat_map(|(writer, seen)| seen.iter().map(move |seen| (*writer, seen)));
        let won: Vec<_> = won.filter(|(_, seen)| seen.row.id == task && seen.written).collect();
        assert_eq!(won.len(), 1, "one writer is told that it has task {task}");
        let (writer, seen) = won[0];
        assert_eq!(row.lease, Some(token(&seen.row, writer)), "task {task} belongs to the writer that was told so");
    }
    bench.audit().await;
}

/// Tasks that are due at these seconds.
async fn add_due(bench: Bench<'_>, seconds: &[i64]) -> Vec<TaskId> {
    let due = |&seconds: &i64| NewTask { not_before: Some(at(seconds)), ..NewTask::titled("timed") };
    let tasks: Vec<NewTask> = seconds.iter().map(due).collect();
    let inserted = bench.store.insert(&tasks, &origin(), at(0)).await.expect("the insert goes through");
    inserted.iter().map(Inserted::task).collect()
}

fn until(seconds: i64, limit: usize) -> DueBefore {
    DueBefore { ours: at(seconds), foreign: at(seconds), limit }
}

pub(super) async fn due_rows_come_earliest_first_and_no_more_than_asked(bench: Bench<'_>) {
    let tasks = add_due(bench, &[30, 10, 20, 10, 31]).await;
    let [thirty, ten, twenty, ten_too, _] = tasks[..] else { panic!("five tasks were inserted: {tasks:?}") };
    let due = bench.selected(&Select::Due(until(30, 100))).await;
    assert_eq!(due, [ten, ten_too, twenty, thirty], "by due time, then by id, up to and with the bound");
    assert_eq!(bench.selected(&Select::Due(until(30, 3))).await, due[..3], "no more than the limit");
    assert!(bench.selected(&Select::Due(until(9, 100))).await.is_empty(), "nothing before its time");
    assert!(bench.selected(&Select::LeaseOver(until(99, 100))).await.is_empty(), "nothing runs yet");
    let seen = bench.transact(&Select::Due(until(30, 2)), &claim(at(30), 1)).await;
    assert!(seen.len() == 2 && seen.iter().all(|seen| seen.written), "due rows can be claimed: {seen:?}");
    assert_eq!(bench.selected(&Select::Due(until(30, 100))).await, [twenty, thirty], "what runs is not due");
}

pub(super) async fn leases_that_are_over_come_earliest_first_and_no_more_than_asked(bench: Bench<'_>) {
    let tasks = bench.add(5).await;
    for (task, start) in tasks.iter().zip([20, 0, 10, 0, 5]) {
        bench.write(&[*task], &claim(at(start), 1)).await;
    }
    bench.write(&[tasks[4]], &complete(at(6))).await;
    let over = bench.selected(&Select::LeaseOver(until(80, 100))).await;
    assert_eq!(over, [tasks[1], tasks[3], tasks[2], tasks[0]], "by the end of the lease, then by id");
    assert_eq!(bench.selected(&Select::LeaseOver(until(70, 100))).await, over[..3], "up to and with the bound");
    assert_eq!(bench.selected(&Select::LeaseOver(until(80, 2))).await, over[..2], "no more than the limit");
    assert!(bench.selected(&Select::LeaseOver(until(59, 100))).await.is_empty(), "a live lease is left alone");
    assert!(bench.selected(&Select::Due(until(999, 100))).await.is_empty(), "what runs is not due");
}
