//! What a transaction found and what was decided about it: the part that both databases share.

use std::collections::BTreeSet;

use taskwatch_core::ports::{Change, Decide, Lease, Seen};
use taskwatch_core::task::{TaskId, TaskRow};

use crate::error::Fault;

/// A row with what its [`TaskRow`] cannot say.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) row: TaskRow,
    /// The status column holds NULL; [`TaskRow::status`] then says `Unknown("NULL")`.
    pub(crate) null_status: bool,
}

impl Found {
    /// The status column as it was read, for the compare-and-set.
    pub(crate) fn raw_status(&self) -> Option<&str> {
        use taskwatch_core::task::FoundStatus;
        match &self.row.status {
            FoundStatus::Known(status) => Some(status.as_str()),
            FoundStatus::Unknown(_) if self.null_status => None,
            FoundStatus::Unknown(text) => Some(text),
        }
    }
}

/// Rows found, with a change beside each that is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    rows: Vec<(Found, Option<Change>)>,
}

impl Plan {
    /// Asks about every row. Refuses entries that would leave a gap in the ledger.
    pub(crate) fn new(found: Vec<Found>, decide: &Decide<'_>) -> Result<Self, Fault> {
        let rows = found.into_iter().map(|found| {
            let change = decide(&found.row);
            let row = &found.row;
            if let Some(Change { entries, .. }) = &change
                && (entries.is_empty() || entries.iter().zip(row.seq + 1..).any(|(entry, seq)| entry.seq != seq))
            {
                let why = format!("entries of task {} that do not follow its entry {}", row.id, row.seq);
                return Err(Fault::Refused(why));
            }
            Ok((found, change))
        });
        Ok(Self { rows: rows.collect::<Result<_, _>>()? })
    }

    /// The rows to be written.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Found, &Change)> {
        self.rows.iter().filter_map(|(found, change)| change.as_ref().map(|change| (found, change)))
    }

    /// How many there are to be written.
    pub(crate) fn len(&self) -> usize {
        self.changes().count()
    }

    /// What to answer, given which of the changes were written.
    pub(crate) fn seen(self, written: impl Fn(TaskId) -> bool) -> Vec<Seen> {
        self.rows
            .into_iter()
            .map(|(Found { row, .. }, change)| Seen { written: change.is_some() && written(row.id), row })
            .collect()
    }
}

/// The number of the last entry of a change, which is the row's new `seq`.
pub(crate) fn last_seq(found: &Found, change: &Change) -> u32 {
    change.entries.last().map_or(found.row.seq, |entry| entry.seq)
}

/// Of these leases, those not among the pairs of task and token that were found to be held.
pub(crate) fn lost(leases: &[Lease], held: &BTreeSet<(i64, i64)>) -> Vec<TaskId> {
    leases
        .iter()
        .filter(|lease| !held.contains(&(lease.task.get(), lease.token.get())))
        .map(|lease| lease.task)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
    use taskwatch_core::task::{FoundStatus, LeaseToken, Status, TaskState};
    use taskwatch_core::time::Timestamp;
    use taskwatch_core::transition::EventKind;

    /// Claims of five rows, all but the first decided on something else than what is in the database.
    pub(crate) fn stale(mut found: Vec<Found>) -> Plan {
        let origin = Origin::new(Source::Local, "t");
        assert_eq!(found.len(), 5);
        found[1].row.seq += 1;
        found[2].row.lease = Some(LeaseToken::from_stored(3));
        found[3].row.status = FoundStatus::Known(Status::Completed);
        found[4].null_status = true;
        found[4].row.status = FoundStatus::Unknown("NULL".into());
        Plan::new(found, &|row| {
            let lease = Some(LeaseToken::from_stored(100 + row.id.get()));
            let state = TaskState { status: Status::InProgress, attempt: 1, due: Timestamp::from_micros(9), lease };
            let entry = LedgerEntry {
                task: row.id,
                seq: row.seq + 1,
                event: EventKind::Started,
                from: Some(Status::Pending),
                to: Status::InProgress,
                attempt: 1,
                due: state.due,
                lease,
                at: Timestamp::EPOCH,
                origin: origin.clone(),
                reason: None,
                trace: None,
            };
            Some(Change { state, reason: None, entries: vec![entry] })
        })
        .unwrap()
    }
}
