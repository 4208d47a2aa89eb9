//! A connection to the database: slow, sometimes cut, sometimes in mid-commit.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::ports::{Clock as _, Decide, Inserted, Lease, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;

use super::Trouble;
use super::world::lock;
use crate::VirtualClock;

/// Entries that were committed while nobody was there to hear of it: the answer was lost, or its worker had died. Only
/// these may be missing from what is told.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    entries: Mutex<BTreeSet<(TaskId, u32)>>,
    pub(super) lost: AtomicUsize,
    pub(super) unavailable: AtomicUsize,
}

impl Unanswered {
    pub(super) fn contains(&self, entry: &LedgerEntry) -> bool {
        lock(&self.entries).contains(&(entry.task, entry.seq))
    }
}

pub(super) struct Unreliable {
    pub(super) inner: Arc<dyn Store>,
    pub(super) clock: VirtualClock,
    /// When it becomes reliable.
    pub(super) until: Timestamp,
    pub(super) trouble: Trouble,
    pub(super) outages: Vec<(Timestamp, Timestamp)>,
    pub(super) unanswered: Arc<Unanswered>,
    pub(super) rng: Mutex<Rng>,
}

/// What becomes of a call.
enum Fate {
    GoesThrough,
    AnswerLost,
    Fails(StoreError),
}

impl Unreliable {
    /// The way there or back. Whoever dies on the way back never hears of the commit.
    async fn travel(&self) {
        let micros = lock(&self.rng).u64(100..20_000);
        self.clock.sleep(Duration::from_micros(micros)).await;
    }

    fn fate(&self) -> Fate {
        let now = self.clock.now();
        let mut rng = lock(&self.rng);
        let (first, second) = (rng.f64(), rng.bool());
        let away = self.outages.iter().any(|(from, to)| *from <= now && now < *to);
        if now >= self.until {
            Fate::GoesThrough
        } else if away || first < self.trouble.unavailable {
            self.unanswered.unavailable.fetch_add(1, Ordering::Relaxed);
            Fate::Fails(StoreError::Unavailable("no connection".to_owned()))
        } else if first >= self.trouble.unavailable + self.trouble.unknown {
            Fate::GoesThrough
        } else if second {
            Fate::AnswerLost
        } else {
            Fate::Fails(StoreError::Unknown("lost connection".to_owned()))
        }
    }

    /// Does the call, and keeps the entries it wrote under `unanswered` until the answer has arrived.
    async fn through<T: Send>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
        entries: impl Fn(&T) -> Vec<LedgerEntry> + Send,
    ) -> Result<T, StoreError> {
        self.travel().await;
        let fate = self.fate();
        if let Fate::Fails(error) = fate {
            return Err(error);
        }
        let answer = call.await?;
        let written: Vec<_> = entries(&answer).iter().map(|entry| (entry.task, entry.seq)).collect();
        lock(&self.unanswered.entries).extend(written.iter().copied());
        self.travel().await;
        if matches!(fate, Fate::AnswerLost) {
            self.unanswered.lost.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Unknown("lost connection".to_owned()));
        }
        let mut unanswered = lock(&self.unanswered.entries);
        for entry in written {
            unanswered.remove(&entry);
        }
        Ok(answer)
    }
}

#[async_trait]
impl Store for Unreliable {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        let entries = |inserted: &Vec<Inserted>| {
            let added = inserted.iter().filter_map(|one| match one {
                Inserted::Added(entry) => Some(entry.clone()),
                Inserted::Existed(_) => None,
            });
            added.collect()
        };
        self.through(self.inner.insert(tasks, origin, now), entries).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let entries = |seen: &Vec<Seen>| {
            let written = seen.iter().filter(|seen| seen.written).filter_map(|seen| decide(&seen.row));
            written.flat_map(|change| change.entries).collect()
        };
        self.through(self.inner.transact(select, decide), entries).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.through(self.inner.extend(leases, until), |_| Vec::new()).await
    }
}
