//! The suite for stores: the one in memory passes, and stores with a fault do not.

use async_trait::async_trait;
use futures_util::future::ready;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{
    Change, Decide, DueBefore, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::{MemoryStore, VirtualClock, conformance};

#[test]
fn the_store_in_memory_passes() {
    let clock = VirtualClock::new(Timestamp::from_micros(1_800_000_000_000_000));
    for own_clock in [false, true] {
        clock.run(conformance::store(async || {
            let clock = std::sync::Arc::new(clock.clone());
            let store = if own_clock { MemoryStore::with_clock(clock) } else { MemoryStore::new() };
            (store.clone(), store)
        }));
    }
}

#[test]
fn what_is_left_of_a_deleted_row_is_its_ledger() {
    VirtualClock::default().run(async {
        let store = MemoryStore::new();
        let origin = Origin::new(taskwatch_core::ledger::Source::Local, "t");
        let tasks = [NewTask::titled("a"), NewTask::titled("b")];
        let task = store.insert(&tasks, &origin, Timestamp::EPOCH).await.unwrap()[0].task();
        assert!(store.foreign_delete(task) && !store.foreign_delete(task));
        let records = store.records(None, 9).await.unwrap();
        assert_eq!(records.iter().map(|record| record.row.is_some()).collect::<Vec<_>>(), [false, true]);
        assert_eq!(records[0].entries.len(), 1);
        assert_eq!(records, store.snapshot());
    });
}

/// What a store may get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    DropsEntries,
    IgnoresCompareAndSet,
    IgnoresLimits,
    IgnoresForeignBound,
    ForgetsKeys,
    ForgetsLostLeases,
    MovesLostLeases,
    ReversesOrder,
    ForgetsReasons,
    ClaimsToHaveWritten,
}

/// A store in memory with a fault.
struct Faulty(MemoryStore, Fault);

#[async_trait]
impl Store for Faulty {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        let mut tasks = tasks.to_vec();
        if self.1 == Fault::ForgetsKeys {
            tasks.iter_mut().for_each(|task| task.idempotency_key = None);
        }
        self.0.insert(&tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let mut select = select.clone();
        if let Select::Due(before) | Select::LeaseOver(before) = &mut select {
            *before = self.bounds(*before);
        }
        if self.1 == Fault::IgnoresCompareAndSet {
            return self.write_blindly(&select, decide).await;
        }
        let without_reason = |row: &TaskRow| decide(row).map(|change| Change { reason: None, ..change });
        let decide: &Decide<'_> = if self.1 == Fault::ForgetsReasons { &without_reason } else { decide };
        let mut seen = self.0.transact(&select, decide).await?;
        match self.1 {
            Fault::ReversesOrder => seen.reverse(),
            Fault::ClaimsToHaveWritten => seen.iter_mut().for_each(|seen| seen.written |= decide(&seen.row).is_some()),
            _ => {}
        }
        Ok(seen)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        let mut leases = leases.to_vec();
        if self.1 == Fault::MovesLostLeases {
            for record in self.0.snapshot() {
                let token = record.row.and_then(|row| row.lease);
                let same = leases.iter_mut().filter(|lease| lease.task == record.task);
                same.for_each(|lease| lease.token = token.unwrap_or(lease.token));
            }
        }
        let lost = self.0.extend(&leases, until).await?;
        Ok(if self.1 == Fault::ForgetsLostLeases { Vec::new() } else { lost })
    }
}

impl Faulty {
    fn bounds(&self, before: DueBefore) -> DueBefore {
        match self.1 {
            Fault::IgnoresLimits => DueBefore { limit: usize::MAX, ..before },
            Fault::IgnoresForeignBound => DueBefore { foreign: before.ours, ..before },
            _ => before,
        }
    }

    fn limit(&self, limit: usize) -> usize {
        if self.1 == Fault::IgnoresLimits { usize::MAX } else { limit }
    }

    /// Decides on what was read, and writes it on whatever stands there by then.
    async fn write_blindly(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let read = self.0.transact(select, &|_| None).await?;
        let ids = Select::Ids(read.iter().map(|seen| seen.row.id).collect());
        let blindly = |row: &TaskRow| {
            let was = &read.iter().find(|seen| seen.row.id == row.id)?.row;
            let mut change = decide(was)?;
            change.entries.iter_mut().for_each(|entry| entry.seq = entry.seq - was.seq + row.seq);
            Some(change)
        };
        // Nobody comes in between this time.
        loop {
            let seen = self.0.transact(&ids, &blindly).await?;
            if seen.iter().all(|seen| seen.written == blindly(&seen.row).is_some()) {
                let written = |row: &TaskRow| decide(row).is_some();
                return Ok(read.iter().map(|was| Seen { row: was.row.clone(), written: written(&was.row) }).collect());
            }
        }
    }

    fn cut(&self, record: &mut Record) {
        if self.1 == Fault::DropsEntries {
            record.entries.truncate(1);
        }
    }
}

#[async_trait]
impl Records for Faulty {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.0.list(&Filter { limit: self.limit(filter.limit), ..filter.clone() }).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut records = self.0.records(after, self.limit(limit)).await?;
        records.iter_mut().for_each(|record| self.cut(record));
        Ok(records)
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.0.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        let mut record = self.0.record(task).await?;
        record.iter_mut().for_each(|record| self.cut(record));
        Ok(record)
    }
}

fn failing(fault: Fault) -> Vec<&'static str> {
    let fresh = async || {
        let store = MemoryStore::new();
        ready((Faulty(store.clone(), fault), store)).await
    };
    let failures = VirtualClock::default().run(conformance::store_failures(fresh));
    failures.into_iter().map(|failure| failure.case).collect()
}

#[test]
fn each_fault_fails_the_case_that_is_about_it() {
    for (fault, case) in [
        (Fault::DropsEntries, "entries_are_numbered_without_gaps"),
        (Fault::IgnoresCompareAndSet, "of_two_writers_one_is_told_that_it_lost"),
        (Fault::IgnoresLimits, "due_rows_come_earliest_first_and_no_more_than_asked"),
        (Fault::IgnoresLimits, "leases_that_are_over_come_earliest_first_and_no_more_than_asked"),
        (Fault::IgnoresLimits, "records_come_in_pages_by_id"),
        (Fault::IgnoresLimits, "lists_come_newest_first_and_filtered"),
        (Fault::IgnoresForeignBound, "foreign_rows_have_a_bound_of_their_own"),
        (Fault::IgnoresForeignBound, "overwritten_rows_have_the_foreign_bound"),
        (Fault::ForgetsKeys, "a_used_key_answers_with_its_first_task"),
        (Fault::ForgetsLostLeases, "lost_leases_are_named"),
        (Fault::MovesLostLeases, "lost_leases_are_named"),
        (Fault::ReversesOrder, "ids_come_in_order_and_missing_ones_not_at_all"),
        (Fault::ForgetsReasons, "reasons_hold_any_text"),
        (Fault::ClaimsToHaveWritten, "of_two_writers_one_is_told_that_it_lost"),
    ] {
        let failing = failing(fault);
        assert!(failing.contains(&case), "{fault:?} fails {failing:?}");
    }
}

#[test]
fn a_fault_fails_only_what_it_touches() {
    assert_eq!(failing(Fault::IgnoresCompareAndSet), ["of_two_writers_one_is_told_that_it_lost"]);
    assert_eq!(failing(Fault::ForgetsKeys), ["a_used_key_answers_with_its_first_task"]);
}

#[test]
#[should_panic(expected = "- lost_leases_are_named: ")]
fn the_failure_names_the_case() {
    VirtualClock::default().run(conformance::store(async || {
        let store = MemoryStore::new();
        (Faulty(store.clone(), Fault::ForgetsLostLeases), store)
    }));
}
