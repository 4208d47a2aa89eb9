//! What the cases decide about rows.

use std::time::Duration;

use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
use taskwatch_core::ports::{Change, DueBefore, Select};
use taskwatch_core::task::{FoundStatus, LeaseToken, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, Then, transition};

/// How long a claim lasts.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// What every entry that the cases write came with.
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// So many seconds into the suite.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

pub(super) fn origin() -> Origin {
    Origin::new(Source::Local, "conformance")
}

pub(super) fn ids(tasks: &[TaskId]) -> Select {
    Select::Ids(tasks.to_vec())
}

/// An id that no row has.
pub(super) fn missing(tasks: &[TaskId]) -> TaskId {
    let last = tasks.iter().max().map_or(0, |task| task.get());
    TaskId::try_from(last + 1_000_000).expect("a positive number is an id")
}

pub(super) fn before(ours: Timestamp, foreign: Timestamp) -> DueBefore {
    DueBefore { ours, foreign, limit: 1000 }
}

/// The token that [`claim`] draws.
pub(super) fn token(row: &TaskRow, salt: u64) -> LeaseToken {
    LeaseToken::from_random((row.id.get().unsigned_abs() << 32) ^ (u64::from(row.seq) << 16) ^ (salt << 1))
}

/// What follows from these events, after adopting the row if nobody has; `None` where one of them is not possible.
pub(super) fn change(row: &TaskRow, now: Timestamp, events: &[Event], reason: Option<&str>) -> Option<Change> {
    let mut state = row.state();
    let adopted = match (&state, &row.status) {
        (Some(_), _) => None,
        (None, FoundStatus::Known(status)) => Some(Event::Adopted { status: *status, due: row.due }),
        (None, FoundStatus::Unknown(_)) => return None,
    };
    let mut entries = Vec::new();
    for (seq, event) in (row.seq + 1..).zip(adopted.iter().chain(events)) {
        let after = transition(state.as_ref(), event).ok()?;
        entries.push(LedgerEntry {
            task: row.id,
            seq,
            event: event.kind(),
            from: state.map(|state| state.status),
            to: after.status,
            attempt: after.attempt,
            due: after.due,
            lease: after.lease,
            at: now,
            origin: origin(),
            reason: reason.map(str::to_owned),
            trace: Some(TRACE.to_owned()),
        });
        state = Some(after);
    }
    Some(Change { state: state?, reason: reason.map(str::to_owned), entries })
}

/// Starts whatever can be started.
pub(super) fn claim(now: Timestamp, salt: u64) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Started { token: token(row, salt), now, lease_until: now + LEASE }], None)
}

/// Completes whatever runs.
pub(super) fn complete(now: Timestamp) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Completed { token: row.lease?, now }], None)
}

/// Fails whatever runs.
pub(super) fn fail(now: Timestamp, then: Then, reason: &str) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Failed { token: row.lease?, then }], Some(reason))
}

/// Makes this of a row, if it can be made of it.
pub(super) fn happen(now: Timestamp, event: Event) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[event], None)
}

/// Gives back whatever runs.
pub(super) fn release(now: Timestamp) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Released { token: row.lease?, due: now }], None)
}
