//! The suite for outboxes: the one in memory passes, and outboxes with a fault do not.

use async_trait::async_trait;
use futures_util::future::ready;
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::{MemoryStore, VirtualClock, conformance};

fn fresh(announces: bool) -> MemoryStore {
    let store = MemoryStore::new();
    if announces { store.announcing() } else { store }
}

#[test]
fn the_outbox_in_memory_passes() {
    VirtualClock::default().run(conformance::outbox(async |announces| {
        let store = fresh(announces);
        (store.clone(), store)
    }));
}

/// What an outbox may get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    AlwaysAnnounces,
    NeverAnnounces,
    ForgetsReplays,
    IgnoresDueTimes,
    ForgetsToHide,
    HidesForEver,
    ForgetsPublications,
    PublishesWhatItTakes,
    IgnoresLimits,
    ReversesOrder,
    LosesTraces,
    LosesDescriptions,
    StopsAtMissingRows,
    Renumbers,
}

/// An outbox in memory with a fault.
struct Faulty(MemoryStore, Fault);

#[async_trait]
impl Store for Faulty {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.0.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        let seen = self.0.transact(select, decide).await?;
        if self.1 == Fault::ForgetsReplays {
            let again = Timestamp::from_micros(i64::MAX);
            self.0.take(usize::MAX, Timestamp::from_micros(i64::MAX - 1), again).await?;
        }
        Ok(seen)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.0.extend(leases, until).await
    }
}

#[async_trait]
impl Records for Faulty {
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

#[async_trait]
impl Outbox for Faulty {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        let limit = if self.1 == Fault::IgnoresLimits { usize::MAX } else { limit };
        let (now, again) = match self.1 {
            Fault::IgnoresDueTimes => (Timestamp::from_micros(again.as_micros() - 1), again),
            Fault::ForgetsToHide => (now, now),
            Fault::HidesForEver => (now, Timestamp::from_micros(i64::MAX)),
            _ => (now, again),
        };
        if self.1 == Fault::StopsAtMissingRows && !self.first_has_a_row() {
            // Takes them and answers with what is left of the batch.
            self.0.take(limit, now, again).await?;
            return Ok(Vec::new());
        }
        let mut taken = self.0.take(limit, now, again).await?;
        match self.1 {
            Fault::NeverAnnounces => taken.clear(),
            Fault::PublishesWhatItTakes => {
                self.0.published(&taken.iter().map(|one| one.number).collect::<Vec<i64>>()).await?;
            }
            Fault::ReversesOrder => taken.reverse(),
            Fault::LosesTraces => taken.iter_mut().for_each(|one| one.trace = None),
            Fault::LosesDescriptions => taken.iter_mut().for_each(|one| one.task.description = None),
            Fault::Renumbers => (1..).zip(&mut taken).for_each(|(number, one)| one.number = number),
            _ => {}
        }
        Ok(taken)
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        if self.1 == Fault::ForgetsPublications { Ok(()) } else { self.0.published(numbers).await }
    }
}

impl Faulty {
    fn first_has_a_row(&self) -> bool {
        self.0.snapshot().first().is_none_or(|record| record.row.is_some())
    }
}

fn failing(fault: Fault) -> Vec<&'static str> {
    let fresh = async |announces: bool| {
        let store = fresh(announces || fault == Fault::AlwaysAnnounces);
        ready((Faulty(store.clone(), fault), store)).await
    };
    let failures = VirtualClock::default().run(conformance::outbox_failures(fresh));
    failures.into_iter().map(|failure| failure.case).collect()
}

#[test]
fn each_fault_fails_the_case_that_is_about_it() {
    for (fault, case) in [
        (Fault::AlwaysAnnounces, "nothing_is_announced_unless_asked_for"),
        (Fault::NeverAnnounces, "what_is_added_or_replayed_is_announced_and_nothing_else"),
        (Fault::ForgetsReplays, "what_is_added_or_replayed_is_announced_and_nothing_else"),
        (Fault::ForgetsReplays, "a_lost_compare_and_set_announces_nothing"),
        (Fault::IgnoresDueTimes, "nothing_is_announced_before_it_is_due"),
        (Fault::ForgetsToHide, "what_was_taken_is_hidden_and_comes_again"),
        (Fault::ForgetsToHide, "takers_at_the_same_time_share_the_work"),
        (Fault::HidesForEver, "what_was_taken_is_hidden_and_comes_again"),
        (Fault::ForgetsPublications, "what_was_published_never_comes_again"),
        (Fault::PublishesWhatItTakes, "what_was_taken_is_hidden_and_comes_again"),
        (Fault::IgnoresLimits, "those_waiting_longest_come_first_and_no_more_than_asked"),
        (Fault::ReversesOrder, "those_waiting_longest_come_first_and_no_more_than_asked"),
        (Fault::LosesTraces, "replays_keep_their_trace"),
        (Fault::LosesDescriptions, "the_task_is_told_as_it_is_now"),
        (Fault::StopsAtMissingRows, "deleted_tasks_vanish_and_make_room"),
        (Fault::Renumbers, "what_was_taken_is_hidden_and_comes_again"),
    ] {
        let failing = failing(fault);
        assert!(failing.contains(&case), "{fault:?} fails {failing:?}");
    }
}

#[test]
fn a_fault_fails_only_what_it_touches() {
    assert_eq!(failing(Fault::AlwaysAnnounces), ["nothing_is_announced_unless_asked_for"]);
    assert_eq!(failing(Fault::LosesTraces), ["replays_keep_their_trace", "the_task_is_told_as_it_is_now"]);
    assert_eq!(failing(Fault::StopsAtMissingRows), ["deleted_tasks_vanish_and_make_room"]);
}
