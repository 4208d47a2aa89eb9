//! A store that fails when it is told to, and counts who asks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{Clock, Decide, Inserted, Lease, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::{MemoryStore, VirtualClock};

use crate::bench::START;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A transaction on rows by their ids: a claim of what was announced, or a settlement.
    Ids,
    Due,
    LeaseOver,
    Extend,
}

/// One call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    /// 1 for the first of its kind.
    pub(crate) nth: usize,
    /// Since the start of the bench.
    pub(crate) at: Duration,
}

/// How long a transaction waits for a row that somebody else has locked.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    No,
    Unavailable,
    /// Not written, and nobody knows.
    Unknown,
    /// Written, and nobody knows.
    AnswerLost,
    /// Takes this long, then succeeds.
    Slow(Duration),
}

type Rule = dyn FnMut(Call) -> Fault + Send;

pub(crate) struct Flaky {
    rows: MemoryStore,
    clock: VirtualClock,
    rule: Mutex<Box<Rule>>,
    calls: Mutex<Vec<Call>>,
    poison: Mutex<Option<TaskId>>,
    locked: Mutex<Option<TaskId>>,
}

impl Flaky {
    pub(crate) fn new(rows: MemoryStore, clock: VirtualClock) -> Self {
        Self {
            rows,
            clock,
            rule: Mutex::new(Box::new(|_| Fault::No)),
            calls: Mutex::default(),
            poison: Mutex::default(),
            locked: Mutex::default(),
        }
    }

    /// From now on, and counting calls from here.
    pub(crate) fn fails(&self, rule: impl FnMut(Call) -> Fault + Send + 'static) {
        *lock(&self.rule) = Box::new(rule);
        lock(&self.calls).clear();
    }

    /// Refuses every transaction that would write to this task.
    pub(crate) fn will_not_take(&self, task: TaskId) {
        *lock(&self.poison) = Some(task);
    }

    /// Somebody keeps this row locked for longer than the store waits.
    pub(crate) fn is_locked(&self, task: Option<TaskId>) {
        *lock(&self.locked) = task;
    }

    async fn check(&self, select: &Select, decide: &Decide<'_>) -> Result<(), StoreError> {
        let Some(poison) = *lock(&self.poison) else { return Ok(()) };
        let seen = self.rows.transact(select, &|_| None).await?;
        if seen.iter().any(|seen| seen.row.id == poison && decide(&seen.row).is_some()) {
            return Err(StoreError::Refused(format!("a trigger forbids changes of task {poison}")));
        }
        Ok(())
    }

    pub(crate) fn calls(&self, kind: Kind) -> Vec<Call> {
        lock(&self.calls).iter().copied().filter(|call| call.kind == kind).collect()
    }

    fn fault(&self, kind: Kind) -> Fault {
        let mut calls = lock(&self.calls);
        let nth = calls.iter().filter(|call| call.kind == kind).count() + 1;
        let call = Call { kind, nth, at: self.clock.now().since(START) };
        calls.push(call);
        drop(calls);
        lock(&self.rule)(call)
    }
}

/// Does the call, or fails instead or afterwards.
async fn through<T>(
    fault: Fault,
    clock: &VirtualClock,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match fault {
        Fault::No => call.await,
        Fault::Unavailable => Err(StoreError::Unavailable("no connection".to_owned())),
        Fault::Unknown => Err(StoreError::Unknown("lost connection".to_owned())),
        Fault::AnswerLost => {
            call.await?;
            Err(StoreError::Unknown("lost connection".to_owned()))
        }
        Fault::Slow(delay) => {
            clock.sleep(delay).await;
            call.await
        }
    }
}

#[async_trait]
impl Store for Flaky {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.rows.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let kind = match select {
            Select::Ids(_) => Kind::Ids,
            Select::Due(_) => Kind::Due,
            Select::LeaseOver(_) => Kind::LeaseOver,
        };
        self.check(select, decide).await?;
        let locked = *lock(&self.locked);
        let deciding = |row: &TaskRow| decide(row).filter(|_| locked != Some(row.id));
        if matches!((locked, select), (Some(task), Select::Ids(ids)) if ids.contains(&task)) {
            // Whoever locks it may soon be done.
            self.clock.sleep(LOCK_WAIT).await;
        }
        let decide: &Decide<'_> = if locked.is_some() { &deciding } else { decide };
        through(self.fault(kind), &self.clock, self.rows.transact(select, decide)).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        through(self.fault(Kind::Extend), &self.clock, self.rows.extend(leases, until)).await
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
