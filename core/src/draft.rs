//! Turns decisions about a row into a [`Change`], each step through the transition function.

use std::time::Duration;

use crate::ledger::{LedgerEntry, Origin};
use crate::ports::Change;
use crate::task::{FoundStatus, Status, TaskRow, TaskState};
use crate::time::Timestamp;
use crate::transition::{Event, IllegalTransition, transition};

/// The longest reason that is kept, in characters.
pub(crate) const REASON_LIMIT: usize = 1000;

/// Who decides, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) now: Timestamp,
    pub(crate) trace: Option<&'a str>,
}

/// A change in the making.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    row: &'a TaskRow,
    stamp: Stamp<'a>,
    state: TaskState,
    reason: Option<String>,
    entries: Vec<LedgerEntry>,
}

impl<'a> Draft<'a> {
    /// Begins with what another program may have done to the row: adopts it, or notes that it was overwritten.
    ///
    /// # Errors
    /// The row's status, where it is none of the five and the ledger has no better knowledge.
    pub(crate) fn meet(row: &'a TaskRow, stamp: Stamp<'a>, adopt_after: Duration) -> Result<Self, &'a str> {
        let Some(state) = row.state() else {
            let status = found(&row.status)?;
            let due = foreign_due(status, row.due, stamp.now, adopt_after);
            let mut draft = Self::empty(row, stamp, TaskState { status, attempt: 0, due, lease: None });
            let adopted = transition(None, &Event::Adopted { status, due });
            debug_assert_eq!(adopted, Ok(draft.state), "a row without a ledger can be adopted as it is");
            draft.enter(Event::Adopted { status, due }, None, draft.state, None);
            return Ok(draft);
        };
        let mut draft = Self::empty(row, stamp, state);
        // What was finished stays finished, whatever another program writes over it.
        if row.is_overwritten() && !state.status.is_absorbing() {
            let status = found(&row.status)?;
            let due = foreign_due(status, stamp.now, stamp.now, adopt_after);
            let written = draft.apply(Event::Overwritten { status, due }, None);
            debug_assert!(written.is_ok(), "an overwritten row that is not settled can be noted as such");
        }
        Ok(draft)
    }

    fn empty(row: &'a TaskRow, stamp: Stamp<'a>, state: TaskState) -> Self {
        Self { row, stamp, state, reason: None, entries: Vec::new() }
    }

    pub(crate) const fn state(&self) -> &TaskState {
        &self.state
    }

    /// The reason of the latest event that has one.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Adds one event.
    pub(crate) fn apply(&mut self, event: Event, reason: Option<&str>) -> Result<(), IllegalTransition> {
        let after = transition(Some(&self.state), &event)?;
        self.enter(event, Some(self.state.status), after, reason);
        Ok(())
    }

    fn enter(&mut self, event: Event, from: Option<Status>, after: TaskState, reason: Option<&str>) {
        let reason = reason.map(|text| text.chars().take(REASON_LIMIT).collect::<String>());
        self.entries.push(LedgerEntry {
            task: self.row.id,
            seq: self.entries.last().map_or(self.row.seq, |last| last.seq) + 1,
            event: event.kind(),
            from,
            to: after.status,
            attempt: after.attempt,
            due: after.due,
            lease: after.lease,
            at: self.stamp.now,
            origin: self.stamp.origin.clone(),
            reason: reason.clone(),
            trace: self.stamp.trace.map(str::to_owned),
        });
        self.state = after;
        if reason.is_some() {
            self.reason = reason;
        }
    }

    /// What is to be written; `None` if nothing happened.
    pub(crate) fn finish(self) -> Option<Change> {
        (!self.entries.is_empty()).then_some(Change { state: self.state, reason: self.reason, entries: self.entries })
    }
}

fn found(status: &FoundStatus) -> Result<Status, &str> {
    match status {
        FoundStatus::Known(status) => Ok(*status),
        FoundStatus::Unknown(other) => Err(other),
    }
}

/// A row that another program has begun gets that program's time; everything else is as due as it says.
fn foreign_due(status: Status, due: Timestamp, now: Timestamp, adopt_after: Duration) -> Timestamp {
    match status {
        Status::InProgress => now + adopt_after,
        _ => due,
    }
}
