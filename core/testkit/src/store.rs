//! Rows and ledger in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::outbox::{Announcement, Outbox, is_announced};
use taskwatch_core::ports::{
    Change, Clock, Decide, DueBefore, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{FoundStatus, NewTask, OnAbandon, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use crate::turn::give_way;

/// Characters in a title and in an idempotency key.
const TITLE: usize = 255;

/// A store that forgets. It locks nothing between reading and writing: other writers get their turn there, so the
/// compare-and-set can be lost as on a database that is busy. Clones share their rows.
#[derive(Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    clock: Option<Arc<dyn Clock>>,
}

#[derive(Default)]
struct Tables {
    rows: BTreeMap<TaskId, TaskRow>,
    ledger: BTreeMap<(TaskId, u32), LedgerEntry>,
    keys: BTreeMap<String, TaskId>,
    last_id: i64,
    /// See [`MemoryStore::announcing`].
    announces: bool,
    outbox: BTreeMap<i64, Waiting>,
    last_number: i64,
}

/// An announcement that has not been published.
struct Waiting {
    due: Timestamp,
    task: TaskId,
    trace: Option<String>,
}

impl MemoryStore {
    /// An empty store. Rows that another program inserts are due from the epoch on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with a clock of its own, like a database: it says when rows of another program were inserted.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// From now on, this store and its clones write an announcement with each entry that has one.
    #[must_use]
    pub fn announcing(self) -> Self {
        self.tables().announces = true;
        self
    }

    /// Inserts a row as another program would: without an entry, and with any status.
    ///
    /// # Panics
    /// After 2^63 rows.
    pub fn foreign_insert(&self, title: &str, status: &str) -> TaskId {
        let now = self.clock.as_ref().map_or(Timestamp::EPOCH, |clock| clock.now());
        let mut tables = self.tables();
        let id = tables.next_id().expect("ids are used up");
        let row = TaskRow { status: FoundStatus::read(status), recorded: None, seq: 0, ..fresh(id, title, now, now) };
        tables.rows.insert(id, row);
        id
    }

    /// Writes the status column as another program would, with any text and whatever stands there. Answers whether
    /// there is such a row.
    pub fn foreign_write(&self, task: TaskId, status: &str) -> bool {
        self.tables().rows.get_mut(&task).map(|row| row.status = FoundStatus::read(status)).is_some()
    }

    /// Deletes a row as another program would: its ledger stays. Answers whether there was such a row.
    pub fn foreign_delete(&self, task: TaskId) -> bool {
        let mut tables = self.tables();
        tables.keys.retain(|_, id| *id != task);
        tables.rows.remove(&task).is_some()
    }

    /// Everything, by id, without waiting.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Record> {
        self.tables().records(None, usize::MAX)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables();
        f.debug_struct("MemoryStore").field("rows", &tables.rows.len()).field("entries", &tables.ledger.len()).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        tasks.iter().try_for_each(check)?;
        give_way().await;
        let mut tables = self.tables();
        tasks.iter().map(|task| tables.insert(task, origin, now)).collect()
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let rows = self.tables().select(select);
        let planned: Vec<(TaskRow, Option<Change>)> = rows
            .into_iter()
            .map(|row| {
                let change = decide(&row);
                (row, change)
            })
            .collect();
        for (row, change) in &planned {
            let Some(change) = change else { continue };
            if change.entries.is_empty() || !change.entries.iter().map(|entry| entry.seq).eq(numbers(row, change)) {
                let why = format!("entries of task {} that do not follow its entry {}", row.id, row.seq);
                return Err(StoreError::Refused(why));
            }
        }
        give_way().await;
        let mut tables = self.tables();
        Ok(planned
            .into_iter()
            .map(|(row, change)| {
                let written = change.is_some_and(|change| tables.write(&row, change));
                Seen { row, written }
            })
            .collect())
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        give_way().await;
        let mut tables = self.tables();
        let mut lost = Vec::new();
        for lease in leases {
            // A settled attempt leaves its token: what another program makes of the status does not bring it back.
            let running = Some(Status::InProgress);
            let held = |row: &&mut TaskRow| {
                row.status.known() == running && row.recorded == running && row.lease == Some(lease.token)
            };
            match tables.rows.get_mut(&lease.task).filter(held) {
                Some(row) => row.due = until,
                None => lost.push(lease.task),
            }
        }
        Ok(lost)
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        let passes = |row: &&TaskRow| {
            filter.before.is_none_or(|before| row.id < before)
                && (filter.statuses.is_empty() || stands(row).is_some_and(|status| filter.statuses.contains(&status)))
                && filter.title.as_ref().is_none_or(|text| row.title.contains(text.as_str()))
        };
        Ok(self.tables().rows.values().rev().filter(passes).take(filter.limit).cloned().collect())
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        Ok(self.tables().records(after, limit))
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        let open = |row: &TaskRow| matches!(stands(row), Some(Status::Pending | Status::InProgress));
        Ok(self.tables().rows.values().any(open))
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        Ok(self.tables().record(task))
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        give_way().await;
        Ok(self.tables().take(limit, now, again))
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        give_way().await;
        self.tables().outbox.retain(|number, _| !numbers.contains(number));
        Ok(())
    }
}

/// What was finished stays finished, whatever another program has written over it.
fn stands(row: &TaskRow) -> Option<Status> {
    row.recorded.filter(|recorded| recorded.is_absorbing()).or_else(|| row.status.known())
}

impl Tables {
    fn next_id(&mut self) -> Result<TaskId, StoreError> {
        self.last_id = self.last_id.saturating_add(1);
        TaskId::try_from(self.last_id).map_err(|error| StoreError::Refused(error.to_string()))
    }

    fn insert(&mut self, task: &NewTask, origin: &Origin, now: Timestamp) -> Result<Inserted, StoreError> {
        if let Some(&first) = task.idempotency_key.as_ref().and_then(|key| self.keys.get(key)) {
            return Ok(Inserted::Existed(first));
        }
        let id = self.next_id()?;
        let due = task.not_before.unwrap_or(now);
        let row = TaskRow {
            description: task.description.clone(),
            max_attempts: task.max_attempts,
            on_abandon: task.on_abandon,
            ..fresh(id, &task.title, due, now)
        };
        let entry = LedgerEntry {
            task: id,
            seq: row.seq,
            event: EventKind::Added,
            from: None,
            to: Status::Pending,
            attempt: 0,
            due,
            lease: None,
            at: now,
            origin: origin.clone(),
            reason: None,
            trace: task.trace.clone(),
        };
        self.rows.insert(id, row);
        self.enter(entry.clone());
        self.keys.extend(task.idempotency_key.clone().map(|key| (key, id)));
        Ok(Inserted::Added(entry))
    }

    fn select(&self, select: &Select) -> Vec<TaskRow> {
        match select {
            Select::Ids(ids) => self.rows.values().filter(|row| ids.contains(&row.id)).cloned().collect(),
            Select::Due(before) => self.due(Status::Pending, before),
            Select::LeaseOver(before) => self.due(Status::InProgress, before),
        }
    }

    fn due(&self, status: Status, before: &DueBefore) -> Vec<TaskRow> {
        let is_due = |row: &&TaskRow| {
            let bound = if row.recorded == Some(status) { before.ours } else { before.foreign };
            // What was settled and then written over stays settled, and would stand at the head for ever.
            row.status.known() == Some(status) && row.due <= bound && !row.recorded.is_some_and(Status::is_absorbing)
        };
        let mut due: Vec<&TaskRow> = self.rows.values().filter(is_due).collect();
        due.sort_by_key(|row| (row.due, row.id));
        due.into_iter().take(before.limit).cloned().collect()
    }

    /// Compare and set: answers whether the row still was as `read`.
    fn write(&mut self, read: &TaskRow, change: Change) -> bool {
        let same = |row: &&mut TaskRow| (&row.status, row.lease, row.seq) == (&read.status, read.lease, read.seq);
        let Some(row) = self.rows.get_mut(&read.id).filter(same) else { return false };
        row.status = FoundStatus::Known(change.state.status);
        row.recorded = Some(change.state.status);
        row.attempt = change.state.attempt;
        row.due = change.state.due;
        row.lease = change.state.lease;
        row.reason = change.reason.or_else(|| row.reason.take());
        row.seq = change.entries.last().map_or(row.seq, |last| last.seq);
        change.entries.into_iter().for_each(|entry| self.enter(entry));
        true
    }

    fn enter(&mut self, entry: LedgerEntry) {
        if self.announces && is_announced(&entry) {
            self.last_number += 1;
            let waiting = Waiting { due: entry.due, task: entry.task, trace: entry.trace.clone() };
            self.outbox.insert(self.last_number, waiting);
        }
        self.ledger.insert((entry.task, entry.seq), entry);
    }

    fn take(&mut self, limit: usize, now: Timestamp, again: Timestamp) -> Vec<Announcement> {
        let waiting = self.outbox.iter().filter(|(_, waiting)| waiting.due <= now);
        let mut due: Vec<(Timestamp, i64)> = waiting.map(|(&number, waiting)| (waiting.due, number)).collect();
        due.sort_unstable();
        let mut taken = Vec::new();
        for (_, number) in due {
            if taken.len() == limit {
                break;
            }
            let Some(waiting) = self.outbox.get_mut(&number) else { continue };
            match self.rows.get(&waiting.task) {
                Some(row) => {
                    waiting.due = again;
                    taken.push(Announcement { number, task: row.task(), trace: waiting.trace.clone() });
                }
                None => drop(self.outbox.remove(&number)),
            }
        }
        taken
    }

    fn record(&self, task: TaskId) -> Option<Record> {
        let row = self.rows.get(&task).cloned();
        let entries: Vec<LedgerEntry> =
            self.ledger.range((task, 0)..=(task, u32::MAX)).map(|(_, entry)| entry.clone()).collect();
        (row.is_some() || !entries.is_empty()).then_some(Record { row, task, entries })
    }

    fn records(&self, after: Option<TaskId>, limit: usize) -> Vec<Record> {
        let mut ids: Vec<TaskId> = self.rows.keys().copied().chain(self.ledger.keys().map(|&(id, _)| id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let later = ids.into_iter().filter(|&id| after.is_none_or(|after| id > after));
        later.take(limit).filter_map(|id| self.record(id)).collect()
    }
}

/// A row as taskwatch inserts it, with defaults where the task may say more.
fn fresh(id: TaskId, title: &str, due: Timestamp, created: Timestamp) -> TaskRow {
    TaskRow {
        id,
        title: title.to_owned(),
        description: None,
        status: FoundStatus::Known(Status::Pending),
        recorded: Some(Status::Pending),
        attempt: 0,
        due,
        lease: None,
        max_attempts: None,
        on_abandon: OnAbandon::default(),
        seq: 1,
        created,
        reason: None,
    }
}

/// The numbers that the entries of a change must have.
fn numbers(row: &TaskRow, change: &Change) -> impl Iterator<Item = u32> {
    (row.seq + 1..).take(change.entries.len())
}

fn check(task: &NewTask) -> Result<(), StoreError> {
    let long = |text: &String| text.chars().count() > TITLE;
    if long(&task.title) || task.idempotency_key.as_ref().is_some_and(long) {
        return Err(StoreError::Refused(format!("a title or idempotency key has more than {TITLE} characters")));
    }
    Ok(())
}
