//! Adding tasks.

use taskwatch_core::ports::{Inserted, StoreError};
use taskwatch_core::task::{FoundStatus, NewTask, OnAbandon, Status};
use taskwatch_core::transition::EventKind;

use super::Bench;
use super::moves::{at, origin};

pub(super) async fn insert_writes_the_row_and_its_entry(bench: Bench<'_>) {
    let tasks = [
        NewTask::titled("plain"),
        NewTask {
            title: "all'; DROP TABLE tasks; -- \u{1f600}".to_owned(),
            description: Some("d\n\"\\%_".to_owned()),
            not_before: Some(at(30)),
            max_attempts: Some(7),
            on_abandon: OnAbandon::Fail,
            idempotency_key: Some("k".to_owned()),
            trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        },
        NewTask { trace: Some("5bf92f3577b34da6a3ce929d0e0e4736".to_owned()), ..NewTask::titled("traced") },
        NewTask::titled("plain again"),
    ];
    let inserted = bench.store.insert(&tasks, &origin(), at(3)).await.expect("the insert goes through");
    assert_eq!(inserted.len(), tasks.len(), "an answer for each task");
    for (task, inserted) in tasks.iter().zip(inserted) {
        let Inserted::Added(entry) = inserted else { panic!("{:?} was not there before: {inserted:?}", task.title) };
        let (row, entries) = bench.record(entry.task).await;
        assert_eq!(entries, std::slice::from_ref(&entry), "the ledger holds the entry that was answered, and no other");
        assert_eq!((entry.seq, entry.event, entry.from, entry.to), (1, EventKind::Added, None, Status::Pending));
        assert_eq!((entry.at, entry.origin), (at(3), origin()), "the entry says when and by whom");
        assert_eq!((row.title, row.description), (task.title.clone(), task.description.clone()), "texts are kept");
        assert_eq!((row.status, row.recorded), (FoundStatus::Known(Status::Pending), Some(Status::Pending)));
        assert_eq!(row.due, task.not_before.unwrap_or(at(3)), "due when the task says, or else at once");
        assert_eq!(entry.trace, task.trace, "the entry holds the task's own trace");
        assert_eq!(entry.due, row.due, "row and entry are due together");
        assert_eq!((row.created, row.seq, row.attempt, row.lease), (at(3), 1, 0, None), "a new row");
        assert_eq!((row.max_attempts, row.on_abandon), (task.max_attempts, task.on_abandon), "policies are kept");
    }
    let none = bench.store.insert(&[], &origin(), at(3)).await.expect("an empty insert goes through");
    assert!(none.is_empty(), "nothing was inserted: {none:?}");
}

pub(super) async fn insert_numbers_a_big_batch_in_order(bench: Bench<'_>) {
    let tasks = bench.add(100).await;
    assert!(tasks.is_sorted_by(|a, b| a < b), "ids go up in the order of the batch: {tasks:?}");
    let records = bench.audit().await;
    assert!(records.iter().map(|record| record.task).eq(tasks), "a record for each task");
    let titles = records.iter().filter_map(|record| record.row.as_ref()).map(|row| row.title.clone());
    assert!(titles.eq((0..100).map(|n| n.to_string())), "each id belongs to its own task");
}

pub(super) async fn insert_is_all_or_none(bench: Bench<'_>) {
    let batch = [NewTask::titled("fits"), NewTask::titled("x".repeat(256))];
    let refused = bench.store.insert(&batch, &origin(), at(0)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "a title of 256 characters is refused: {refused:?}");
    assert!(bench.audit().await.is_empty(), "nothing is left of a batch that was refused");
    bench.insert(&[NewTask::titled("\u{1f600}".repeat(255))]).await;
}

pub(super) async fn a_used_key_answers_with_its_first_task(bench: Bench<'_>) {
    let keyed = |key: &str| NewTask { idempotency_key: Some(key.to_owned()), ..NewTask::titled(key) };
    let batch = [keyed("a"), NewTask::titled("free"), keyed("a"), keyed("A")];
    let first = bench.store.insert(&batch, &origin(), at(0)).await.expect("the insert goes through");
    let added: Vec<bool> = first.iter().map(|inserted| matches!(inserted, Inserted::Added(_))).collect();
    assert_eq!(added, [true, true, false, true], "a key counts within the batch, and by its very letters");
    assert_eq!(first[2], Inserted::Existed(first[0].task()), "the second of a key is the first");
    let again = [keyed("A"), keyed("b"), keyed("a")];
    let second = bench.store.insert(&again, &origin(), at(1)).await.expect("the insert goes through");
    assert_eq!(second[0], Inserted::Existed(first[3].task()), "a key is known in a later batch");
    assert!(matches!(second[1], Inserted::Added(_)), "a new key adds");
    assert_eq!(second[2], Inserted::Existed(first[0].task()), "a key is known in a later batch");
    assert_eq!(bench.audit().await.len(), 4, "nothing was added twice");
}
