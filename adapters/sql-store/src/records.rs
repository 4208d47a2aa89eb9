//! Brings rows and ledger together.

use std::collections::BTreeMap;

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::Record;
use taskwatch_core::task::{TaskId, TaskRow};

/// One record for each task that has a row, entries (be they unreadable) or both, by id.
pub(crate) fn assemble(rows: BTreeMap<TaskId, TaskRow>, entries: Vec<(TaskId, Option<LedgerEntry>)>) -> Vec<Record> {
    let mut records: BTreeMap<TaskId, Record> =
        rows.into_iter().map(|(task, row)| (task, Record { row: Some(row), task, entries: Vec::new() })).collect();
    for (task, entry) in entries {
        let orphan = || Record { row: None, task, entries: Vec::new() };
        records.entry(task).or_insert_with(orphan).entries.extend(entry);
    }
    records.into_values().collect()
}
