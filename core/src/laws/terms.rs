//! What is counted on either side of each law.

use std::fmt;

use super::Law;
use crate::ledger::{LedgerEntry, fold};
use crate::ports::Record;
use crate::task::Status;
use crate::transition::EventKind;

/// Both sides of the equation.
pub(super) fn sides(law: Law) -> (&'static [Term], &'static [Term]) {
    match law {
        Law::InProgress => (&INTO_PROGRESS, &OUT_OF_PROGRESS),
        Law::Tasks => (&CAME, &STAND),
        Law::Dead => (&DIED, &PUT_BACK),
        Law::Fold => (&TOLD, &FOLDED),
        Law::FinishedOnce => (&FINISHED, &FINISHED_ONCE),
    }
}

/// One summand of one side.
pub(super) struct Term {
    pub(super) label: &'static str,
    pub(super) count: Count,
}

pub(super) enum Count {
    Entries(fn(&LedgerEntry) -> bool),
    Tasks(fn(&Record) -> bool),
}

const fn entries(label: &'static str, which: fn(&LedgerEntry) -> bool) -> Term {
    Term { label, count: Count::Entries(which) }
}

const fn tasks(label: &'static str, which: fn(&Record) -> bool) -> Term {
    Term { label, count: Count::Tasks(which) }
}

static INTO_PROGRESS: [Term; 3] = [
    entries("Started", |e| e.event == EventKind::Started),
    entries("Adopted into In Progress", |e| e.event == EventKind::Adopted && e.to == Status::InProgress),
    entries("Overwritten into In Progress", |e| e.event == EventKind::Overwritten && e.to == Status::InProgress),
];

static OUT_OF_PROGRESS: [Term; 8] = [
    entries("Completed", |e| e.event == EventKind::Completed),
    entries("Failed", |e| e.event == EventKind::Failed),
    entries("Abandoned", |e| e.event == EventKind::Abandoned),
    entries("Released", |e| e.event == EventKind::Released),
    entries("Cancelled while running", |e| e.event == EventKind::Cancelled && e.from == Some(Status::InProgress)),
    entries("Overwritten out of In Progress", |e| {
        e.event == EventKind::Overwritten && e.from == Some(Status::InProgress)
    }),
    tasks("now In Progress", |r| now(r) == Some(Status::InProgress)),
    tasks("deleted while In Progress", |r| deleted(r) == Some(Status::InProgress)),
];

static CAME: [Term; 2] =
    [entries("Added", |e| e.event == EventKind::Added), entries("Adopted", |e| e.event == EventKind::Adopted)];

static STAND: [Term; 6] = [
    tasks("now Pending", |r| now(r) == Some(Status::Pending)),
    tasks("now In Progress", |r| now(r) == Some(Status::InProgress)),
    tasks("now Completed", |r| now(r) == Some(Status::Completed)),
    tasks("now Failed", |r| now(r) == Some(Status::Failed)),
    tasks("now Cancelled", |r| now(r) == Some(Status::Cancelled)),
    tasks("deleted by another program", |r| r.row.is_none()),
];

static DIED: [Term; 4] = [
    entries("Failed for good", |e| e.event == EventKind::Failed && e.to == Status::Failed),
    entries("Abandoned for good", |e| e.event == EventKind::Abandoned && e.to == Status::Failed),
    entries("Adopted as Failed", |e| e.event == EventKind::Adopted && e.to == Status::Failed),
    entries("Overwritten into Failed", |e| e.event == EventKind::Overwritten && e.to == Status::Failed),
];

static PUT_BACK: [Term; 4] = [
    entries("Replayed", |e| e.event == EventKind::Replayed),
    entries("Overwritten out of Failed", |e| e.event == EventKind::Overwritten && e.from == Some(Status::Failed)),
    tasks("now Failed", |r| now(r) == Some(Status::Failed)),
    tasks("deleted while Failed", |r| deleted(r) == Some(Status::Failed)),
];

static TOLD: [Term; 1] = [tasks("tasks", |_| true)];
static FOLDED: [Term; 1] = [tasks("whose entries lead to their row", |r| misfit(r).is_none())];
static FINISHED: [Term; 1] = [tasks("finished", finished)];
static FINISHED_ONCE: [Term; 1] = [tasks("finished once and for good", finished_once)];

/// Where the ledger last put the row.
fn now(record: &Record) -> Option<Status> {
    record.row.as_ref().and_then(|row| row.recorded)
}

/// Where the ledger last put a row that is gone.
fn deleted(record: &Record) -> Option<Status> {
    if record.row.is_some() { None } else { record.entries.last().map(|entry| entry.to) }
}

fn finished(record: &Record) -> bool {
    record.entries.iter().any(|entry| entry.to.is_absorbing())
}

fn finished_once(record: &Record) -> bool {
    // At the last entry and nowhere before it.
    record.entries.iter().position(|entry| entry.to.is_absorbing()).map(|at| at + 1) == Some(record.entries.len())
        && record.entries.iter().filter(|entry| entry.event == EventKind::Completed).count() <= 1
}

/// In what the row differs from what its entries lead to.
pub(super) fn misfit(record: &Record) -> Option<String> {
    let strange = record.entries.iter().map(|entry| entry.task).chain(record.row.as_ref().map(|row| row.id));
    if let Some(other) = strange.into_iter().find(|id| *id != record.task) {
        return Some(format!("holds the row or an entry of task {other}"));
    }
    let folded = match fold(&record.entries) {
        Ok(folded) => folded,
        Err(broken) => return Some(broken.to_string()),
    };
    let row = record.row.as_ref()?;
    let seq = record.entries.last().map_or(0, |entry| entry.seq);
    let differs = |what: &str, ledger: &dyn fmt::Debug, found: &dyn fmt::Debug| {
        Some(format!("{what}: the ledger leads to {ledger:?}, the row says {found:?}"))
    };
    let (Some(state), Some(found)) = (folded, row.state()) else {
        return match (folded, row.recorded) {
            (None, None) if row.seq == 0 => None,
            (None, None) => differs("seq", &0, &row.seq),
            (state, recorded) => differs("status", &state.map(|state| state.status), &recorded),
        };
    };
    if state.status != found.status {
        differs("status", &state.status, &found.status)
    } else if state.attempt != found.attempt {
        differs("attempt", &state.attempt, &found.attempt)
    } else if state.lease != found.lease {
        differs("lease", &state.lease, &found.lease)
    } else if seq != row.seq {
        differs("seq", &seq, &row.seq)
    } else if state.status == Status::Pending && state.due != found.due {
        differs("due", &state.due, &found.due)
    } else {
        None
    }
}
