//! A store that is away for some calls.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::MemoryStore;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done.
    Away,
    /// It is done, and nobody hears of it.
    Unconfirmed,
}

/// Counts the calls that work on tasks, and fails some.
pub(crate) struct Faulty {
    pub(crate) memory: MemoryStore,
    calls: AtomicUsize,
    fails: Mutex<(Range<usize>, Fault)>,
}

impl Faulty {
    pub(crate) fn new(memory: MemoryStore) -> Self {
        Self { memory, calls: AtomicUsize::new(0), fails: Mutex::new((0..0, Fault::Away)) }
    }

    /// From now on, these calls fail.
    pub(crate) fn fail(&self, calls: Range<usize>, fault: Fault) {
        self.calls.store(0, Ordering::SeqCst);
        *self.fails.lock().unwrap() = (calls, fault);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fault(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = self.fails.lock().unwrap();
        fails.0.contains(&call).then_some(fails.1)
    }

    fn answer<T>(fault: Option<Fault>, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match fault {
            None => done,
            Some(Fault::Away) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::Unconfirmed) => Err(StoreError::Unknown("it broke".to_owned())),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.memory.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let fault = self.fault();
        if fault == Some(Fault::Away) {
            return Self::answer(fault, Ok(Vec::new()));
        }
        Self::answer(fault, self.memory.transact(select, decide).await)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.memory.extend(leases, until).await
    }
}

#[async_trait]
impl Records for Faulty {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.memory.list(filter).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.memory.records(after, limit).await
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.memory.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.memory.record(task).await
    }

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        let fault = self.fault();
        Self::answer(fault, self.memory.several(tasks).await)
    }
}
