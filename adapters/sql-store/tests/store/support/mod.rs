//! Decisions and databases for the tests of this crate.

pub(crate) mod cases;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "mysql")]
pub(crate) mod proxy;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::time::Duration;

use taskwatch_core::ledger::{LedgerEntry, Origin, Source, fold};
use taskwatch_core::ports::{Change, DueBefore, Record, Records, Select};
use taskwatch_core::task::{FoundStatus, LeaseToken, NewTask, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, Then, transition};
use taskwatch_sql_store::SqlStore;

/// A database of its own, migrated, and a way to write to it behind the store's back.
pub(crate) trait Fixture: Send + Sync {
    fn store(&self) -> &SqlStore;
    fn raw(&self, sql: &str) -> impl Future<Output = ()> + Send;
    /// Another store on the same database, which writes announcements.
    fn announcing(&self) -> impl Future<Output = SqlStore> + Send;
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
}

pub(crate) fn origin() -> Origin {
    Origin::new(Source::Local, "tester")
}

pub(crate) fn id(id: i64) -> TaskId {
    TaskId::try_from(id).unwrap()
}

pub(crate) fn token(row: &TaskRow, salt: u64) -> LeaseToken {
    LeaseToken::from_random((row.id.get().cast_unsigned() << 32) ^ (u64::from(row.seq) << 20) ^ (salt << 1))
}

pub(crate) fn due(seconds: i64, limit: usize) -> DueBefore {
    DueBefore { ours: at(seconds), foreign: at(seconds), limit }
}

/// What follows from these events, adopting the row first if nobody has; `None` where one of them is not possible.
pub(crate) fn change(row: &TaskRow, now: Timestamp, events: &[Event], reason: Option<&str>) -> Option<Change> {
    let mut state = row.state();
    let mut entries = Vec::new();
    let adopted = match (&state, &row.status) {
        (Some(_), _) => None,
        (None, FoundStatus::Known(status)) => Some(Event::Adopted { status: *status, due: row.due }),
        (None, FoundStatus::Unknown(_)) => return None,
    };
    for event in adopted.iter().chain(events) {
        let after = transition(state.as_ref(), event).ok()?;
        entries.push(LedgerEntry {
            task: row.id,
            seq: row.seq + 1 + u32::try_from(entries.len()).unwrap(),
            event: event.kind(),
            from: state.map(|state| state.status),
            to: after.status,
            attempt: after.attempt,
            due: after.due,
            lease: after.lease,
            at: now,
            origin: origin(),
            reason: reason.map(str::to_owned),
            trace: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        });
        state = Some(after);
    }
    Some(Change { state: state?, reason: reason.map(str::to_owned), entries })
}

/// Starts whatever can be started.
pub(crate) fn claim(now: Timestamp, salt: u64) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| {
        let lease_until = now + Duration::from_secs(60);
        change(row, now, &[Event::Started { token: token(row, salt), now, lease_until }], None)
    }
}

/// Completes whatever runs, as its holder.
pub(crate) fn complete(now: Timestamp) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Completed { token: row.lease?, now }], None)
}

/// Fails whatever runs, for good.
pub(crate) fn fail(now: Timestamp, reason: &'static str) -> impl Fn(&TaskRow) -> Option<Change> + Send + Sync {
    move |row| change(row, now, &[Event::Failed { token: row.lease?, then: Then::GiveUp { now } }], Some(reason))
}

pub(crate) fn titled(count: usize) -> Vec<NewTask> {
    (0..count).map(|n| NewTask::titled(format!("task {n}"))).collect()
}

/// Every record, with the books checked: the entries of each task fold to its row.
pub(crate) async fn audited(store: &(impl Records + ?Sized)) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let page = store.records(all.last().map(|record| record.task), 100).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.is_sorted_by(|a, b| a.task < b.task), "pages run by id");
        all.extend(page);
    }
    for record in &all {
        let Some(row) = &record.row else { continue };
        let folded = fold(&record.entries).unwrap_or_else(|error| panic!("task {}: {error}", record.task));
        let state = row.state();
        let same = |status: Status| status == Status::InProgress;
        match (folded, state) {
            // A renewed lease has moved without an entry.
            (Some(folded), Some(state)) if same(state.status) => {
                assert_eq!((folded.status, folded.attempt, folded.lease), (state.status, state.attempt, state.lease));
            }
            (folded, state) => assert_eq!(folded, state, "task {}", record.task),
        }
        assert_eq!(u32::try_from(record.entries.len()), Ok(row.seq), "task {}", record.task);
    }
    all
}

pub(crate) fn ids(ids: impl IntoIterator<Item = TaskId>) -> Select {
    Select::Ids(ids.into_iter().collect())
}
