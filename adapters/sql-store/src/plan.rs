//! What a transaction found and what was decided about it: the part that both databases share.

#[cfg(feature = "mysql")]
use taskwatch_core::outbox::is_announced;
use taskwatch_core::ports::{Change, Decide, Seen};
use taskwatch_core::task::{TaskId, TaskRow};

use crate::error::Fault;
#[cfg(feature = "mysql")]
use crate::limits;

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

/// Some of the rows to be written.
#[cfg(feature = "mysql")]
pub(crate) type Piece<'a> = Vec<(&'a Found, &'a Change)>;

/// Rows found, with a change beside each that is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    rows: Vec<(Found, Option<Change>)>,
    /// Whether announcements are to be written with the entries that have one.
    pub(crate) announces: bool,
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
        Ok(Self { rows: rows.collect::<Result<_, _>>()?, announces: false })
    }

    /// The same plan, with announcements or without.
    pub(crate) fn announcing(self, announces: bool) -> Self {
        Self { announces, ..self }
    }

    /// The rows to be written.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Found, &Change)> {
        self.rows.iter().filter_map(|(found, change)| change.as_ref().map(|change| (found, change)))
    }

    /// How many there are to be written.
    pub(crate) fn len(&self) -> usize {
        self.changes().count()
    }

    /// The rows to be written, in pieces whose SQL text is no longer than this, as far as a single row allows.
    #[cfg(feature = "mysql")]
    pub(crate) fn pieces(&self, longest: usize) -> Vec<Piece<'_>> {
        limits::pieces(self.changes(), longest, |(found, change)| {
            // In hexadecimal; a NUL becomes three bytes.
            let text = |text: Option<&str>, max: usize| 2 * (3 * text.map_or(0, str::len)).min(4 * max);
            let entries = change.entries.iter().map(|entry| {
                let origin = text(Some(&entry.origin.worker), limits::WORKER);
                let trace = text(entry.trace.as_deref(), limits::TRACE);
                let announced = if self.announces && is_announced(entry) { 250 + trace } else { 0 };
                600 + origin + text(entry.reason.as_deref(), limits::REASON) + trace + announced
            });
            300 + 2 * found.raw_status().map_or(0, str::len)
                + text(change.reason.as_deref(), limits::REASON)
                + entries.sum::<usize>()
        })
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
    use taskwatch_core::task::{FoundStatus, LeaseToken, Status, TaskState};
    use taskwatch_core::time::Timestamp;
    use taskwatch_core::transition::EventKind;

    /// Starts a row, whatever it is.
    pub(crate) fn start(row: &TaskRow) -> Option<Change> {
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
            origin: Origin::new(Source::Local, "t"),
            reason: None,
            trace: None,
        };
        Some(Change { state, reason: None, entries: vec![entry] })
    }

    /// Claims of five rows, all but the first decided on something else than what is in the database.
    pub(crate) fn stale(mut found: Vec<Found>) -> Plan {
        assert_eq!(found.len(), 5);
        found[1].row.seq += 1;
        found[2].row.lease = Some(LeaseToken::from_stored(3));
        found[3].row.status = FoundStatus::Known(Status::Completed);
        found[4].null_status = true;
        found[4].row.status = FoundStatus::Unknown("NULL".into());
        Plan::new(found, &start).unwrap()
    }
}
