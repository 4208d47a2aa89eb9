//! Keeps the model's books: each event goes through the transition function, into the row and into the ledger.

use std::time::Duration;

use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
use taskwatch_core::task::{FoundStatus, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, IllegalTransition, transition};

use super::POLICY;
use super::command::Worker;
use super::world::World;

/// The trace id of parcels that have one.
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Who writes, and on whose behalf.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) origin: Origin,
    pub(super) trace: Option<String>,
}

impl Stamp {
    pub(super) fn of(by: Worker) -> Self {
        Self { origin: origin(by), trace: None }
    }

    /// Of whoever works on the store's port by hand.
    pub(super) fn by_hand() -> Self {
        Self { origin: hand(), trace: None }
    }
}

pub(super) fn origin(by: Worker) -> Origin {
    let source = match by {
        Worker::A => Source::Ec2,
        Worker::B => Source::Lambda,
    };
    Origin::new(source, by.name())
}

pub(super) fn hand() -> Origin {
    Origin::new(Source::Local, "by hand")
}

impl World {
    /// Lets an event happen, or says why it cannot.
    pub(super) fn enter(
        &mut self,
        task: TaskId,
        stamp: &Stamp,
        event: Event,
        reason: Option<&str>,
    ) -> Result<(), IllegalTransition> {
        let now = self.now;
        let nobody = IllegalTransition::NoSuchTask(event.kind());
        let record = self.records.get_mut(&task).ok_or(nobody)?;
        let row = record.row.as_mut().ok_or(nobody)?;
        let before = row.state();
        let after = transition(before.as_ref(), &event)?;
        row.status = FoundStatus::Known(after.status);
        row.recorded = Some(after.status);
        row.attempt = after.attempt;
        row.due = after.due;
        row.lease = after.lease;
        row.seq += 1;
        if let Some(reason) = reason {
            row.reason = Some(reason.to_owned());
        }
        record.entries.push(LedgerEntry {
            task,
            seq: row.seq,
            event: event.kind(),
            from: before.map(|state| state.status),
            to: after.status,
            attempt: after.attempt,
            due: after.due,
            lease: after.lease,
            at: now,
            origin: stamp.origin.clone(),
            reason: reason.map(str::to_owned),
            trace: stamp.trace.clone(),
        });
        Ok(())
    }

    /// First of all, what the other program did to the row is noted. The answer is false where nothing can be made of
    /// the row's status.
    pub(super) fn meet(&mut self, task: TaskId, stamp: &Stamp) -> bool {
        let Some(row) = self.row(task) else { return false };
        let adopted = row.recorded.is_some();
        let settled = row.recorded.is_some_and(Status::is_absorbing);
        if adopted && (settled || row.status.known() == row.recorded) {
            return true;
        }
        let Some(status) = row.status.known() else { return false };
        let due = match status {
            // It is given time to finish.
            Status::InProgress => self.now + POLICY.adopt_after,
            _ if adopted => self.now,
            _ => row.due,
        };
        let event = if adopted { Event::Overwritten { status, due } } else { Event::Adopted { status, due } };
        self.enter(task, stamp, event, None).expect("a row can always be taken as it is found");
        true
    }

    /// The rows that the column shows in this status, and that are due by it: earliest first.
    pub(super) fn due(&self, status: Status, limit: usize) -> Vec<TaskId> {
        let bound = |row: &TaskRow| {
            let wait = if row.recorded == Some(status) { Duration::ZERO } else { POLICY.adopt_after };
            row.due + wait
        };
        let mut due: Vec<(Timestamp, TaskId)> = self
            .records
            .values()
            .filter_map(|record| record.row.as_ref())
            .filter(|row| row.status == FoundStatus::Known(status) && bound(row) <= self.now)
            .filter(|row| !row.recorded.is_some_and(Status::is_absorbing))
            .map(|row| (row.due, row.id))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        due.into_iter().map(|(_, task)| task).collect()
    }
}
