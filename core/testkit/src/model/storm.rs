//! The end of a case: both workers at the same time, on whatever is left.
//!
//! Who gets which task no model can foretell. But what was written before must still stand, the laws must hold,
//! nothing may be left undone, and each start must have run its handler once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join;
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_core::ports::{Filter, Record};
use taskwatch_core::task::{Status, TaskId, TaskRow};
use taskwatch_core::transition::EventKind;

use super::machine::Bench;
use super::outcome::Outcome;
use super::worker::Staff;
use super::world::World;

/// Enough for every lease, backoff and time of grace, and for the attempts that can be left.
const ROUNDS: usize = 12;
/// The longest of those, and more.
const ROUND: Duration = Duration::from_secs(13 * 3600);

impl Bench {
    /// Works everything off, and checks what comes of it.
    pub(super) async fn work_off(&self, before: &World) {
        let tasks = self.names.all_real();
        let mut runs: BTreeMap<TaskId, usize> = BTreeMap::new();
        let mut rounds = 0;
        while self.records().await.iter().any(is_open) {
            rounds += 1;
            assert!(rounds <= ROUNDS, "still open after {ROUNDS} rounds: {:?}", self.records().await);
            self.clock.advance(ROUND);
            let [one, other] = &self.staff;
            let (ran, also) = join(work(one, &tasks), work(other, &tasks)).await;
            for task in ran.into_iter().chain(also) {
                *runs.entry(task).or_default() += 1;
            }
        }
        let records = self.records().await;
        self.balance(&records);
        self.compare_past(&records, before, &runs);
        self.compare_reads(&records).await;
    }

    fn compare_past(&self, records: &[Record], before: &World, runs: &BTreeMap<TaskId, usize>) {
        let mut past = before.records().peekable();
        for record in records {
            let task = record.task;
            let past = past.next_if(|past| self.names.real(past.task) == task);
            let old = past.map_or(&[][..], |past| &past.entries);
            let written: Vec<_> =
                record.entries.iter().zip(old).map(|(found, old)| self.names.entry(found.clone(), Some(old))).collect();
            assert_eq!(written, old, "the ledger of task {task} has been rewritten");
            let new = &record.entries[old.len()..];
            let started: Vec<_> = new.iter().filter(|entry| entry.event == EventKind::Started).collect();
            assert_eq!(runs.get(&task).copied().unwrap_or(0), started.len(), "each start of task {task} is one run");
            let tokens = record.entries.iter().filter(|entry| entry.event == EventKind::Started);
            let mut seen = BTreeSet::new();
            assert!(
                tokens.into_iter().all(|entry| seen.insert(entry.lease)),
                "task {task} was taken twice by one token"
            );
        }
        assert!(past.next().is_none(), "tasks are lost");
    }

    /// The other ways to read say the same.
    async fn compare_reads(&self, records: &[Record]) {
        let reads = &self.parts.records;
        let rows: Vec<&TaskRow> = records.iter().rev().filter_map(|record| record.row.as_ref()).collect();
        for statuses in [vec![], vec![Status::Completed], vec![Status::Failed, Status::Cancelled]] {
            let filter = Filter { statuses: statuses.clone(), limit: 1000, ..Filter::default() };
            let listed = reads.list(&filter).await.expect("the store answers");
            let finished = |row: &TaskRow| row.recorded.filter(|status| status.is_absorbing());
            let stands = |row: &TaskRow| finished(row).or_else(|| row.status.known());
            let passes = |row: &TaskRow| stands(row).is_some_and(|status| statuses.contains(&status));
            let expected: Vec<&TaskRow> =
                rows.iter().copied().filter(|row| statuses.is_empty() || passes(row)).collect();
            assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "the list of {statuses:?}");
        }
        for record in records.iter().take(3) {
            assert_eq!(reads.record(record.task).await.expect("the store answers").as_ref(), Some(record));
        }
    }
}

/// Takes what is due from the table, and processes an announcement of every task; answers which handlers ran.
async fn work(staff: &Staff, tasks: &[TaskId]) -> Vec<TaskId> {
    let works = "the store answers";
    let mut ran = Vec::new();
    let mut process = async |deliveries| {
        let Outcome::Answered(_, runs) = staff.process(deliveries, BTreeMap::new(), Duration::ZERO).await else {
            return;
        };
        ran.extend(runs.into_iter().map(|(task, ..)| task));
    };
    staff.engine.rescue(100).await.expect(works);
    process(tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect()).await;
    loop {
        let attempts = staff.engine.claim_due(2).await.expect(works);
        if attempts.is_empty() {
            break;
        }
        let claimed = attempts.into_iter().map(|attempt| {
            let task = attempt.task.id;
            Delivery { subject: Subject::Claimed(attempt), ..Delivery::of(task, task.to_string()) }
        });
        process(claimed.collect()).await;
    }
    ran
}

/// Whether a worker has to move it on, and can.
fn is_open(record: &Record) -> bool {
    record.row.as_ref().is_some_and(|row| {
        matches!(row.status.known(), Some(Status::Pending | Status::InProgress))
            && !row.recorded.is_some_and(Status::is_absorbing)
    })
}
