//! For each law a bug that breaks it: a store with the bug is found out by the audit of a simulated system, and the same
//! seed without the bug balances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::laws::{Books, Law};
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::ports::{
    Change, Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{FoundStatus, NewTask, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_testkit::MemoryStore;
use taskwatch_testkit::simulator::{Scenario, Trouble};

/// How many seeds each bug is tried with.
const SEEDS: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// Moves the row of a failed attempt, and forgets its entry.
    ForgetsAnEnd,
    /// Enters the start of an attempt, and leaves the row as it was: another worker starts it too.
    StartsWithoutTheRow,
    /// Inserts a row, and forgets its entry.
    ForgetsAdded,
    /// Forgets every entry of a task.
    SwallowsTheLedger,
    /// Enters that a task is given up, and writes Pending to its row.
    RaisesTheDead,
    /// Writes another number of the attempt to the row than to the ledger.
    Miscounts,
    /// Skips a number in the ledger.
    LeavesAGap,
    /// Takes the result of an attempt under any lease that the task ever had.
    DropsTheFence,
    /// Enters each completion twice.
    CompletesTwice,
}

/// A store in memory with a bug, which strikes each task once at most, but for the fence.
struct Buggy {
    store: MemoryStore,
    bug: Bug,
    struck: Arc<AtomicUsize>,
    done_to: Mutex<BTreeSet<TaskId>>,
    /// Each task as it was under each of its leases.
    held: Mutex<BTreeMap<TaskId, Vec<TaskRow>>>,
}

impl Buggy {
    fn strikes(&self, task: TaskId) -> bool {
        lock(&self.done_to).insert(task)
    }

    /// What the bug makes of a decision.
    fn spoil(&self, row: &TaskRow, mut change: Change) -> Change {
        let last = change.entries.last().expect("a change has entries").clone();
        match self.bug {
            Bug::StartsWithoutTheRow if last.event == EventKind::Started && self.strikes(row.id) => {
                change.state.status = Status::Pending;
                change.state.lease = None;
                change.state.due = last.at;
            }
            Bug::RaisesTheDead if change.state.status == Status::Failed && self.strikes(row.id) => {
                change.state.status = Status::Pending;
            }
            Bug::Miscounts if last.event == EventKind::Started && self.strikes(row.id) => change.state.attempt += 1,
            Bug::CompletesTwice if last.event == EventKind::Completed && self.strikes(row.id) => {
                change.entries.push(LedgerEntry { seq: last.seq + 1, ..last });
            }
            _ => {}
        }
        change
    }

    /// What the holder of any earlier lease would write about the end of its attempt.
    fn unfenced(&self, row: &TaskRow, decide: &Decide<'_>) -> Option<Change> {
        let is_end = |kind| matches!(kind, EventKind::Completed | EventKind::Failed | EventKind::Released);
        let ends = |change: &Change| change.entries.iter().all(|entry| is_end(entry.event));
        let own = decide(row);
        if self.bug != Bug::DropsTheFence || own.as_ref().is_some_and(ends) {
            return own;
        }
        let held = lock(&self.held);
        let mut earlier = held.get(&row.id).into_iter().flatten().filter_map(decide).filter(ends);
        let Some(mut change) = earlier.next() else { return own };
        change.entries.iter_mut().for_each(|entry| entry.seq = row.seq + 1);
        Some(change)
    }

    fn remember(&self, row: &TaskRow, change: &Change) {
        let state = change.state;
        if state.status == Status::InProgress {
            let seq = change.entries.last().map_or(row.seq, |entry| entry.seq);
            let (status, recorded) = (FoundStatus::Known(state.status), Some(state.status));
            let held = TaskRow {
                status,
                recorded,
                attempt: state.attempt,
                due: state.due,
                lease: state.lease,
                seq,
                ..row.clone()
            };
            lock(&self.held).entry(row.id).or_default().push(held);
        }
    }

    /// What the bug has left of a record.
    fn read(&self, mut record: Record) -> Record {
        let before = record.entries.len();
        match self.bug {
            Bug::ForgetsAnEnd => {
                record.entries.retain(|entry| !(entry.event == EventKind::Failed && entry.to == Status::Pending));
            }
            Bug::ForgetsAdded => record.entries.retain(|entry| entry.event != EventKind::Added),
            Bug::SwallowsTheLedger if record.row.is_some() => record.entries.clear(),
            Bug::LeavesAGap => {
                for entry in record.entries.iter_mut().filter(|entry| entry.seq > 2) {
                    entry.seq += 1;
                    self.struck.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {}
        }
        self.struck.fetch_add(before - record.entries.len(), Ordering::Relaxed);
        record
    }
}

#[async_trait]
impl Store for Buggy {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.store.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        // Decided once for each row, so that what strikes is what is written.
        let written = Mutex::new(BTreeMap::new());
        let deciding = |row: &TaskRow| {
            let honest = decide(row);
            let change = self.unfenced(row, decide).map(|change| self.spoil(row, change))?;
            lock(&written).insert(row.id, (honest.as_ref() != Some(&change), change.clone()));
            Some(change)
        };
        let seen = self.store.transact(select, &deciding).await?;
        let written = lock(&written);
        for (row, (struck, change)) in
            seen.iter().filter(|seen| seen.written).filter_map(|seen| Some((&seen.row, written.get(&seen.row.id)?)))
        {
            self.remember(row, change);
            // Without the fence, harm is done when the task was finished already.
            let harm = self.bug != Bug::DropsTheFence || row.recorded.is_some_and(Status::is_absorbing);
            self.struck.fetch_add(usize::from(*struck && harm), Ordering::Relaxed);
        }
        Ok(seen)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.store.extend(leases, until).await
    }
}

#[async_trait]
impl Records for Buggy {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.store.list(filter).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        Ok(self.store.records(after, limit).await?.into_iter().map(|record| self.read(record)).collect())
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.store.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        Ok(self.store.record(task).await?.map(|record| self.read(record)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The laws that are broken, and how often the bug has struck.
fn with(bug: Bug, scenario: &Scenario) -> (BTreeSet<Law>, usize) {
    let struck = Arc::new(AtomicUsize::new(0));
    let outcome = scenario.run_on(|store| Buggy {
        store,
        bug,
        struck: Arc::clone(&struck),
        done_to: Mutex::default(),
        held: Mutex::default(),
    });
    (broken(&outcome.books), struck.load(Ordering::Relaxed))
}

fn broken(books: &Books) -> BTreeSet<Law> {
    let lines = books.lines.iter().filter(|line| !line.balanced()).map(|line| line.law);
    lines.chain(books.offences.iter().map(|offence| offence.law)).collect()
}

/// A busy system whose workers stand still now and then and come back, which is what the fence is for. Everything else
/// goes well, so that nothing but the bug can be to blame.
fn scenario(seed: u64) -> Scenario {
    let trouble = Trouble { freezes: 1.0, slow: 0.6, ..Trouble::NONE };
    Scenario { workers: 3, tasks: 30, span: Duration::from_secs(40), trouble, ..Scenario::seeded(seed) }
}

/// Some seeds with the bug: which laws are broken, and how often it has struck.
fn seeds(bug: Bug) -> impl Iterator<Item = (u64, BTreeSet<Law>, usize)> {
    (0..SEEDS).map(move |seed| {
        let (broken, struck) = with(bug, &scenario(seed));
        (seed, broken, struck)
    })
}

/// Wherever the bug has struck this law is broken, and nowhere else any.
fn is_found(bug: Bug, law: Law, also: &[Law]) {
    let mut struck_in = 0;
    for (seed, broken, struck) in seeds(bug) {
        assert_eq!(
            broken.contains(&law),
            struck > 0,
            "seed {seed}: {bug:?} struck {struck} times and broke {broken:?}"
        );
        let others: Vec<_> = broken.iter().filter(|one| **one != law && !also.contains(one)).collect();
        assert!(others.is_empty(), "seed {seed}: {bug:?} broke {others:?} as well");
        struck_in += usize::from(struck > 0);
    }
    assert!(struck_in > 0, "{bug:?} has struck in some seed");
}

#[test]
fn without_a_bug_every_seed_balances() {
    for seed in 0..SEEDS {
        assert_eq!(scenario(seed).run().complaints(), Vec::<String>::new(), "seed {seed}");
    }
}

/// The bugs that break a law, with the laws that they may break on the way. A new law does not compile without one.
fn bugs(law: Law) -> &'static [(Bug, &'static [Law])] {
    match law {
        Law::InProgress => &[(Bug::ForgetsAnEnd, &[Law::Fold]), (Bug::StartsWithoutTheRow, &[Law::Fold])],
        Law::Tasks => &[(Bug::ForgetsAdded, &[Law::Fold]), (Bug::SwallowsTheLedger, &[Law::Fold, Law::Dead])],
        Law::Dead => &[(Bug::RaisesTheDead, &[Law::Fold])],
        Law::Fold => &[(Bug::Miscounts, &[]), (Bug::LeavesAGap, &[])],
        Law::FinishedOnce => &[
            (Bug::DropsTheFence, &[Law::Fold, Law::InProgress, Law::Dead]),
            (Bug::CompletesTwice, &[Law::Fold, Law::InProgress]),
        ],
    }
}

#[test]
fn every_law_is_broken_by_its_bugs() {
    for law in Law::ALL {
        for (bug, also) in bugs(law) {
            is_found(*bug, law, also);
        }
    }
}
