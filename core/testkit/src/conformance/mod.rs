//! The suite that every store passes. Whatever it asks for, the engine relies on.
//!
//! ```
//! use taskwatch_testkit::{MemoryStore, VirtualClock, conformance};
//!
//! VirtualClock::default().run(conformance::store(async || {
//!     let store = MemoryStore::new();
//!     (store.clone(), store)
//! }));
//! ```

mod foreign;
mod inserts;
mod leases;
mod lives;
mod moves;
mod outbox;
mod reads;
mod selects;

use std::any::Any;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use taskwatch_core::ledger::{LedgerEntry, fold};
use taskwatch_core::ports::{Decide, Inserted, Record, Records, Seen, Select, Store};
use taskwatch_core::task::{NewTask, Status, TaskId, TaskRow};

pub use self::outbox::{outbox, outbox_cases, outbox_failures};
use crate::MemoryStore;

/// The other program, which shares the table with taskwatch and knows nothing of it.
#[async_trait]
pub trait ForeignWrites: Send + Sync {
    /// Inserts a row with nothing but a title and a status; the rest is up to the columns' defaults.
    async fn insert_foreign(&self, title: &str, status: &str);
    /// Writes the status column of a row, whatever stands there.
    async fn write_status(&self, task: TaskId, status: &str);
    /// Deletes a row.
    async fn delete(&self, task: TaskId);
}

#[async_trait]
impl ForeignWrites for MemoryStore {
    async fn insert_foreign(&self, title: &str, status: &str) {
        self.foreign_insert(title, status);
    }

    async fn write_status(&self, task: TaskId, status: &str) {
        self.foreign_write(task, status);
    }

    async fn delete(&self, task: TaskId) {
        self.foreign_delete(task);
    }
}

/// A case that a store did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub case: &'static str,
    /// What the assertion said.
    pub message: String,
}

/// Runs every case, each on a store of its own, which `fresh` makes: empty, and with the other program beside it.
///
/// # Panics
/// If the store does not pass; the message names each case that failed.
pub async fn store<S: Store + Records, W: ForeignWrites>(fresh: impl AsyncFn() -> (S, W)) {
    insist(&store_failures(fresh).await, cases().len());
}

/// Panics with all failures, if there are any.
fn insist(failures: &[Failure], cases: usize) {
    let report = failures.iter().fold(String::new(), |mut report, Failure { case, message }| {
        // Writing to a string cannot fail.
        let _ = write!(report, "\n- {case}: {message}");
        report
    });
    assert!(failures.is_empty(), "{} of {cases} cases failed:{report}", failures.len());
}

/// Like [`store`], but answers with the cases that failed.
pub async fn store_failures<S: Store + Records, W: ForeignWrites>(fresh: impl AsyncFn() -> (S, W)) -> Vec<Failure> {
    let mut failures = Vec::new();
    for Case { name, run } in cases() {
        let (store, foreign) = fresh().await;
        let bench = Bench { store: &store, records: &store, foreign: &foreign };
        if let Err(panic) = AssertUnwindSafe(run(bench)).catch_unwind().await {
            failures.push(Failure { case: name, message: message(&*panic) });
        }
    }
    failures
}

/// The names of the cases, in the order in which they run.
#[must_use]
pub fn store_cases() -> Vec<&'static str> {
    cases().into_iter().map(|case| case.name).collect()
}

struct Case {
    name: &'static str,
    run: for<'a> fn(Bench<'a>) -> BoxFuture<'a, ()>,
}

macro_rules! cases {
    ($($module:ident: $($case:ident),+;)+) => {
        vec![$($( Case { name: stringify!($case), run: |bench| Box::pin($module::$case(bench)) } ),+),+]
    };
}

fn cases() -> Vec<Case> {
    cases! {
        inserts: insert_writes_the_row_and_its_entry, insert_numbers_a_big_batch_in_order, insert_is_all_or_none,
            a_used_key_answers_with_its_first_task;
        selects: ids_come_in_order_and_missing_ones_not_at_all, leaving_a_row_writes_nothing,
            of_two_writers_one_is_told_that_it_lost, due_rows_come_earliest_first_and_no_more_than_asked,
            leases_that_are_over_come_earliest_first_and_no_more_than_asked;
        foreign: foreign_rows_have_a_bound_of_their_own, overwritten_rows_have_the_foreign_bound,
            foreign_rows_are_adopted_as_they_are, unknown_statuses_are_told_and_left_alone,
            settled_rows_are_not_handed_out_again;
        leases: held_leases_move_without_an_entry, lost_leases_are_named;
        lives: entries_are_numbered_without_gaps, a_big_batch_is_moved_at_once, reasons_hold_any_text,
            no_reason_leaves_the_old_one;
        reads: records_come_in_pages_by_id, several_tasks_are_read_together, lists_come_newest_first_and_filtered, open_tasks_are_told;
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

/// What a case works on.
#[derive(Clone, Copy)]
struct Bench<'a> {
    store: &'a dyn Store,
    records: &'a dyn Records,
    foreign: &'a dyn ForeignWrites,
}

impl Bench<'_> {
    async fn insert(&self, tasks: &[NewTask]) -> Vec<TaskId> {
        let inserted = self.store.insert(tasks, &moves::origin(), moves::at(0)).await.expect("the insert goes through");
        assert_eq!(inserted.len(), tasks.len(), "an answer for each task");
        inserted.iter().map(Inserted::task).collect()
    }

    /// Tasks «0», «1», ... that are due at once.
    async fn add(&self, count: usize) -> Vec<TaskId> {
        let tasks: Vec<NewTask> = (0..count).map(|n| NewTask::titled(n.to_string())).collect();
        self.insert(&tasks).await
    }

    /// Inserts a row of the other program and finds it.
    async fn add_foreign(&self, title: &str, status: &str) -> TaskRow {
        self.foreign.insert_foreign(title, status).await;
        let rows = self.audit().await.into_iter().filter_map(|record| record.row);
        rows.filter(|row| row.title == title).last().expect("the other program's row is found")
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Vec<Seen> {
        self.store.transact(select, decide).await.expect("the transaction goes through")
    }

    /// Which rows are selected, in order.
    async fn selected(&self, select: &Select) -> Vec<TaskId> {
        self.transact(select, &|_| None).await.iter().map(|seen| seen.row.id).collect()
    }

    /// Writes to each of these rows, and insists that it was written.
    async fn write(&self, tasks: &[TaskId], decide: &Decide<'_>) {
        let seen = self.transact(&moves::ids(tasks), decide).await;
        assert_eq!(seen.len(), tasks.len(), "every row is found");
        assert!(seen.iter().all(|seen| seen.written), "what was decided is written: {seen:?}");
    }

    async fn record(&self, task: TaskId) -> (TaskRow, Vec<LedgerEntry>) {
        let record = self.records.record(task).await.expect("the record can be read").expect("the task has a record");
        assert_eq!(record.task, task, "the record is of the task asked for");
        (record.row.expect("the task has a row"), record.entries)
    }

    async fn row(&self, task: TaskId) -> TaskRow {
        self.record(task).await.0
    }

    /// Every record, with the books checked: entries run without gaps and lead to the row.
    async fn audit(&self) -> Vec<Record> {
        let mut all: Vec<Record> = Vec::new();
        loop {
            let after = all.last().map(|record| record.task);
            let page = self.records.records(after, 500).await.expect("the records can be read");
            assert!(page.iter().all(|record| after.is_none_or(|after| record.task > after)), "pages do not overlap");
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        all.iter().for_each(balance);
        all
    }
}

/// Checks that the entries of a task lead to its row.
fn balance(record: &Record) {
    let Some(row) = &record.row else { return };
    let task = record.task;
    assert!(record.entries.iter().all(|entry| entry.task == task), "task {task} has entries of another");
    let numbers: Vec<u32> = record.entries.iter().map(|entry| entry.seq).collect();
    assert!(numbers.iter().copied().eq(1..=row.seq), "the row of task {task} counts {} entries: {numbers:?}", row.seq);
    let folded = fold(&record.entries);
    let mut folded = folded.unwrap_or_else(|broken| panic!("the ledger of task {task} is broken: {broken}"));
    // A renewed lease has moved without an entry.
    if let (Some(folded), Some(Status::InProgress)) = (&mut folded, row.recorded) {
        folded.due = row.due;
    }
    assert_eq!(folded, row.state(), "the entries of task {task} lead to its row");
}
