//! The simulator complains when it should: stores that break what no law can see.

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{
    Change, Decide, DueBefore, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{NewTask, OnAbandon, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::MemoryStore;
use taskwatch_testkit::simulator::{Feed, Scenario, Trouble};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Never finds a lease that is over.
    ForgetsTheVanished,
    /// Says that nothing has been written.
    DeniesWriting,
    /// Says that everything may run twice.
    ForgetsOnAbandon,
    /// Renews leases that are gone.
    RenewsAnything,
}

struct Lying(MemoryStore, Lie);

#[async_trait]
impl Store for Lying {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.0.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let nothing = Select::LeaseOver(DueBefore { ours: Timestamp::EPOCH, foreign: Timestamp::EPOCH, limit: 0 });
        let hidden = self.1 == Lie::ForgetsTheVanished && matches!(select, Select::LeaseOver(_));
        let careless =
            |row: &TaskRow| -> Option<Change> { decide(&TaskRow { on_abandon: OnAbandon::Retry, ..row.clone() }) };
        let decide: &Decide<'_> = if self.1 == Lie::ForgetsOnAbandon { &careless } else { decide };
        let mut seen = self.0.transact(if hidden { &nothing } else { select }, decide).await?;
        if self.1 == Lie::DeniesWriting {
            seen.iter_mut().for_each(|seen| seen.written &= seen.row.id.get() % 5 != 0);
        }
        Ok(seen)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        let lost = self.0.extend(leases, until).await?;
        Ok(if self.1 == Lie::RenewsAnything { Vec::new() } else { lost })
    }
}

#[async_trait]
impl Records for Lying {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.0.list(filter).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.0.records(after, limit).await
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.0.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.0.record(task).await
    }
}

/// Everything that is complained about in some seeds, and whether all laws hold.
fn complaints(lie: Lie, trouble: Trouble) -> (Vec<String>, bool) {
    let (mut complaints, mut balanced) = (Vec::new(), true);
    for seed in 0..12 {
        let outcome = Scenario { feed: Feed::Table, trouble, ..Scenario::seeded(seed) }.run_on(|rows| Lying(rows, lie));
        complaints.extend(outcome.complaints());
        balanced &= outcome.books.balanced();
    }
    (complaints, balanced)
}

#[test]
fn a_lost_task_is_told() {
    let (found, balanced) = complaints(Lie::ForgetsTheVanished, Trouble { crashes: 1.0, ..Trouble::NONE });
    assert!(found.iter().any(|complaint| complaint.contains(" was lost: it is In Progress")), "{found:?}");
    assert!(balanced, "no law knows about it");
}

#[test]
fn an_untold_change_is_told() {
    let (found, balanced) = complaints(Lie::DeniesWriting, Trouble::NONE);
    assert!(found.iter().any(|complaint| complaint.starts_with("written and never told: ")), "{found:?}");
    assert!(balanced, "no law knows about it");
}

#[test]
fn work_done_again_is_told() {
    let trouble = Trouble { crashes: 1.0, slow: 0.5, ..Trouble::NONE };
    let (found, balanced) = complaints(Lie::ForgetsOnAbandon, trouble);
    for what in ["more after it was cut off", "was put back after it was abandoned"] {
        assert!(found.iter().any(|complaint| complaint.contains(what)), "{found:?}");
    }
    assert!(balanced, "no law knows about it");
}

#[test]
fn a_handler_that_is_not_cut_off_does_no_harm() {
    let trouble = Trouble { freezes: 1.0, slow: 0.5, people: 1.0, ..Trouble::NONE };
    assert_eq!(complaints(Lie::RenewsAnything, trouble), (Vec::new(), true), "the fence holds without renewals");
}
