//! Stores with a fault, which the model must notice.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{
    Change, Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{LeaseToken, NewTask, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_testkit::model::{Machine, Model, Parts, System};
use taskwatch_testkit::{MemoryStore, VirtualClock};

use super::{Memory, Other};

/// What a store may get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Settles by any token that the task ever had.
    IgnoresFence,
    /// Renews by any token that the task ever had.
    RenewsLostLeases,
    /// After another program has written In Progress over a settled task.
    RenewsSettledLeases,
    /// Only visible when two workers meet.
    IgnoresCompareAndSet,
    /// In the ledger.
    ForgetsReleases,
    /// From the second attempt on.
    CountsAttemptsTwice,
    /// A moment.
    TakesLeasesForLonger,
    IgnoresTimeOfGrace,
    IgnoresLimits,
    ForgetsKeys,
    ForgetsReasons,
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// The store in memory with the thread's fault.
#[derive(Clone)]
struct Faulty {
    inner: MemoryStore,
    fault: Option<Fault>,
    /// All tokens of each task.
    tokens: Arc<Mutex<BTreeMap<TaskId, Vec<LeaseToken>>>>,
}

impl System for Faulty {
    fn open(clock: &VirtualClock) -> Self {
        let inner = MemoryStore::with_clock(Arc::new(clock.clone()));
        Self { inner, fault: FAULT.get(), tokens: Arc::default() }
    }

    fn parts(&self) -> Parts {
        let store = Arc::new(self.clone());
        Parts { store: Arc::clone(&store) as _, records: store, other: Arc::new(Other(self.inner.clone())) }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        Memory(self.inner.clone()).block_on(future)
    }
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn spoil_select(&self, select: &Select) -> Select {
        let mut select = select.clone();
        if let Select::LeaseOver(before) = &mut select
            && self.has(Fault::TakesLeasesForLonger)
        {
            before.ours = before.ours.minus(Duration::from_micros(1));
        }
        if let Select::Due(before) | Select::LeaseOver(before) = &mut select {
            before.foreign = if self.has(Fault::IgnoresTimeOfGrace) { before.ours } else { before.foreign };
            before.limit = if self.has(Fault::IgnoresLimits) { usize::MAX } else { before.limit };
        }
        select
    }

    fn spoil(&self, mut change: Change) -> Change {
        if self.has(Fault::CountsAttemptsTwice) && change.state.attempt > 1 {
            change.state.attempt += 1;
        }
        if self.has(Fault::ForgetsReasons) {
            change.reason = None;
        }
        if let Some(token) = change.state.lease {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.entry(change.entries[0].task).or_default().push(token);
        }
        change
    }

    fn tokens(&self, task: TaskId) -> Vec<LeaseToken> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&task).cloned().unwrap_or_default()
    }

    /// What would be decided if one of the old tokens stood in the row.
    fn by_old_token(&self, row: &TaskRow, decide: &Decide<'_>) -> Option<Change> {
        let running = row.recorded == Some(Status::InProgress) && self.has(Fault::IgnoresFence);
        let olds = self.tokens(row.id).into_iter().filter(|_| running);
        olds.filter_map(|token| decide(&TaskRow { lease: Some(token), ..row.clone() }))
            .find(|change| change.state.status != Status::InProgress)
    }

    /// Decides on what was read, and writes it on whatever stands there by then.
    async fn write_blindly(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let read = self.inner.transact(select, &|_| None).await?;
        let ids = Select::Ids(read.iter().map(|seen| seen.row.id).collect());
        let blindly = |row: &TaskRow| {
            let was = &read.iter().find(|seen| seen.row.id == row.id)?.row;
            let mut change = decide(was)?;
            change.entries.iter_mut().for_each(|entry| entry.seq = entry.seq - was.seq + row.seq);
            Some(change)
        };
        // Nobody comes in between this time.
        while self
            .inner
            .transact(&ids, &blindly)
            .await?
            .iter()
            .any(|seen| !seen.written && blindly(&seen.row).is_some())
        {}
        Ok(read.into_iter().map(|Seen { row, .. }| Seen { written: decide(&row).is_some(), row }).collect())
    }
}

#[async_trait]
impl Store for Faulty {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        let mut tasks = tasks.to_vec();
        if self.has(Fault::ForgetsKeys) {
            tasks.iter_mut().for_each(|task| task.idempotency_key = None);
        }
        self.inner.insert(&tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let select = self.spoil_select(select);
        if self.has(Fault::IgnoresCompareAndSet) {
            return self.write_blindly(&select, decide).await;
        }
        let spoilt =
            |row: &TaskRow| decide(row).or_else(|| self.by_old_token(row, decide)).map(|change| self.spoil(change));
        self.inner.transact(&select, &spoilt).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        let mut lost = self.inner.extend(leases, until).await?;
        if self.has(Fault::RenewsSettledLeases) {
            let rows: Vec<TaskRow> = self.inner.snapshot().into_iter().filter_map(|record| record.row).collect();
            let held = |row: &TaskRow| {
                let lease = row.lease.map(|token| Lease { task: row.id, token });
                row.status.known() == Some(Status::InProgress) && lease.is_some_and(|lease| leases.contains(&lease))
            };
            lost.retain(|task| !rows.iter().any(|row| row.id == *task && held(row)));
        }
        if !self.has(Fault::RenewsLostLeases) {
            return Ok(lost);
        }
        let all: Vec<Lease> = lost
            .iter()
            .flat_map(|&task| self.tokens(task).into_iter().map(move |token| Lease { task, token }))
            .collect();
        self.inner.extend(&all, until).await?;
        Ok(lost)
    }
}

#[async_trait]
impl Records for Faulty {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.inner.list(filter).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut records = self.inner.records(after, limit).await?;
        if self.has(Fault::ForgetsReleases) {
            records.iter_mut().for_each(|record| record.entries.retain(|entry| entry.event != EventKind::Released));
        }
        Ok(records)
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.inner.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.inner.record(task).await
    }
}

/// What the machine says of a store with this fault, in the same cases each time.
fn verdict(fault: Option<Fault>) -> Option<String> {
    FAULT.set(fault);
    let config = Config { cases: 200, failure_persistence: None, max_shrink_iters: 1, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config.clone(), rng);
    let result = runner.run(&Model::sequential_strategy(1..60), |(world, commands, seen)| {
        Machine::<Faulty>::test_sequential(config.clone(), world, commands, seen);
        Ok(())
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(why, _)) => Some(why.to_string()),
        Err(TestError::Abort(why)) => panic!("nothing was tried: {why}"),
    }
}

#[test]
fn each_fault_is_noticed() {
    let differs = "the store (left) and the model (right) differ";
    let outcome = "is not what the model says";
    for (fault, says) in [
        (Fault::IgnoresFence, outcome),
        (Fault::RenewsLostLeases, differs),
        (Fault::RenewsSettledLeases, outcome),
        (Fault::IgnoresCompareAndSet, "the books do not balance"),
        (Fault::ForgetsReleases, differs),
        (Fault::CountsAttemptsTwice, differs),
        (Fault::TakesLeasesForLonger, outcome),
        (Fault::IgnoresTimeOfGrace, outcome),
        (Fault::IgnoresLimits, outcome),
        (Fault::ForgetsKeys, "that the model knows nothing of"),
        (Fault::ForgetsReasons, differs),
    ] {
        let verdict = verdict(Some(fault)).unwrap_or_else(|| panic!("{fault:?} was not noticed"));
        assert!(verdict.contains(says), "{fault:?} was noticed, but: {verdict}");
    }
}

#[test]
fn without_a_fault_there_is_nothing_to_notice() {
    assert_eq!(verdict(None), None);
}
