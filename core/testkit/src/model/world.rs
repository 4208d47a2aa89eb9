//! The model's world: rows, ledgers, open attempts and the time, and what a command makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use taskwatch_core::engine::Attempt;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Record;
use taskwatch_core::task::{FoundStatus, LeaseToken, OnAbandon, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

use super::command::Command;
use super::outcome::Outcome;
use super::{BEGIN, POLICY};

/// Stands for a reason that the engine phrases: there must be one.
pub const ANY_REASON: &str = "(any reason)";

/// Everything that a test can see, by the model's own names: ids count from 1, and so do lease tokens.
#[derive(Debug, Clone)]
pub struct World {
    pub(super) now: Timestamp,
    pub(super) records: BTreeMap<TaskId, Record>,
    pub(super) keys: BTreeMap<String, TaskId>,
    pub(super) holds: Vec<Attempt>,
    /// Counts that are fed by no ledger entry.
    pub(super) metrics: BTreeMap<Metric, usize>,
    pub(super) outcome: Outcome,
    pub(super) last_id: i64,
    pub(super) last_token: i64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: BEGIN,
            records: BTreeMap::new(),
            keys: BTreeMap::new(),
            holds: Vec::new(),
            metrics: BTreeMap::new(),
            outcome: Outcome::Silent,
            last_id: 0,
            last_token: 0,
        }
    }
}

impl World {
    /// Every task with its ledger.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// What the last command came to.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Takes one step.
    pub(super) fn step(&mut self, command: &Command) {
        self.outcome = match command {
            Command::Add(by, tasks) => self.add(*by, tasks),
            Command::ClaimDue(by, limit) => self.claim_due(*by, *limit),
            Command::Deliver(by, parcels) => self.deliver(*by, parcels),
            Command::Finish { by, ends, takes, believes } => self.finish(*by, ends, *takes, *believes),
            Command::GiveBack(by, holds) => self.give_back(*by, holds),
            Command::Cancel(by, tasks) => self.cancel(*by, tasks),
            Command::Replay(by, tasks) => self.replay(*by, tasks),
            Command::Rescue(by, limit) => self.rescue(*by, *limit),
            Command::Take(tasks) => self.take(tasks),
            Command::Settle(hold, end) => self.settle_by_hand(*hold, *end),
            Command::Release(hold) => self.release_by_hand(*hold),
            Command::Extend(holds) => self.extend(holds),
            Command::OtherInserts(status) => self.other_inserts(status),
            Command::OtherWrites(task, status) => self.other_writes(*task, status),
            Command::OtherDeletes(task) => self.other_deletes(*task),
            Command::Wait(time) => self.wait(*time),
        };
    }

    pub(super) fn row(&self, task: TaskId) -> Option<&TaskRow> {
        self.records.get(&task)?.row.as_ref()
    }

    pub(super) fn next_id(&mut self) -> TaskId {
        self.last_id += 1;
        name(self.last_id)
    }

    pub(super) fn next_token(&mut self) -> LeaseToken {
        self.last_token += 1;
        LeaseToken::from_stored(self.last_token)
    }

    pub(super) fn count(&mut self, metric: Metric) {
        *self.metrics.entry(metric).or_default() += 1;
    }

    fn wait(&mut self, time: Duration) -> Outcome {
        self.now = self.now + time;
        Outcome::Silent
    }

    fn other_inserts(&mut self, status: &str) -> Outcome {
        let task = self.next_id();
        let row = TaskRow {
            id: task,
            title: OTHER_TITLE.to_owned(),
            description: None,
            status: FoundStatus::read(status),
            recorded: None,
            attempt: 0,
            due: self.now,
            lease: None,
            max_attempts: None,
            on_abandon: OnAbandon::Retry,
            seq: 0,
            created: self.now,
            reason: None,
        };
        self.records.insert(task, Record { row: Some(row), task, entries: Vec::new() });
        Outcome::Foreign(task)
    }

    fn other_writes(&mut self, task: TaskId, status: &str) -> Outcome {
        if let Some(row) = self.records.get_mut(&task).and_then(|record| record.row.as_mut()) {
            row.status = FoundStatus::read(status);
        }
        Outcome::Silent
    }

    fn other_deletes(&mut self, task: TaskId) -> Outcome {
        self.keys.retain(|_, holder| *holder != task);
        if let Some(record) = self.records.get_mut(&task) {
            record.row = None;
        }
        // Of a row that nobody had touched nothing is left.
        self.records.retain(|_, record| record.row.is_some() || !record.entries.is_empty());
        Outcome::Silent
    }
}

/// The title of the other program's rows.
pub(super) const OTHER_TITLE: &str = "theirs";

/// The n-th task, from 1.
pub(super) fn name(number: i64) -> TaskId {
    TaskId::try_from(number).expect("tasks are counted from 1")
}

/// How often a task is tried that may say so itself.
pub(super) fn max_attempts(row: &TaskRow) -> u32 {
    row.max_attempts.unwrap_or(POLICY.max_attempts)
}
