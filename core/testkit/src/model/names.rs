//! Which real id and which real lease token each of the model's names stands for.

use std::collections::{BTreeMap, BTreeSet};

use taskwatch_core::engine::Attempt;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::{Inserted, Record, Seen};
use taskwatch_core::task::{LeaseToken, TaskId, TaskRow};

use super::outcome::Outcome;
use super::world::{ANY_REASON, name};

/// Real ids of tasks that the model does not know begin here.
const MISSING: i64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Names {
    real: BTreeMap<TaskId, TaskId>,
    model: BTreeMap<TaskId, TaskId>,
    tokens: BTreeMap<(TaskId, LeaseToken), LeaseToken>,
    /// The model's tokens that have a real one.
    told: BTreeSet<(TaskId, LeaseToken)>,
}

impl Names {
    /// A task was inserted.
    pub(super) fn bind(&mut self, model: TaskId, real: TaskId) {
        let last = self.model.last_key_value().map(|(real, _)| *real);
        assert!(last.is_none_or(|last| last < real), "ids grow, but {real} came after {last:?}");
        self.real.insert(model, real);
        self.model.insert(real, model);
    }

    pub(super) fn real(&self, model: TaskId) -> TaskId {
        self.real.get(&model).copied().unwrap_or_else(|| name(MISSING + model.get()))
    }

    pub(super) fn reals(&self, models: &[TaskId]) -> Vec<TaskId> {
        models.iter().map(|model| self.real(*model)).collect()
    }

    pub(super) fn all_real(&self) -> Vec<TaskId> {
        self.model.keys().copied().collect()
    }

    fn model(&self, real: TaskId) -> TaskId {
        let missing = || TaskId::try_from(real.get() - MISSING).ok();
        let known = self.model.get(&real).copied().or_else(missing);
        known.unwrap_or_else(|| panic!("the store has a task {real} that the model knows nothing of"))
    }

    /// New tokens are known by where they first stand. A token that stands elsewhere than its name stays untranslated.
    pub(super) fn learn<'a>(&mut self, found: &[Record], expected: impl Iterator<Item = &'a Record>) {
        for (found, expected) in found.iter().zip(expected) {
            for (found, expected) in found.entries.iter().zip(&expected.entries) {
                let (Some(real), Some(model)) = (found.lease, expected.lease) else { continue };
                let task = expected.task;
                if self.real(task) == found.task
                    && !self.tokens.contains_key(&(task, real))
                    && self.told.insert((task, model))
                {
                    self.tokens.insert((task, real), model);
                }
            }
        }
    }

    fn token(&self, model: TaskId, real: LeaseToken) -> LeaseToken {
        // Real ones are all greater than any of the model's.
        self.tokens.get(&(model, real)).copied().unwrap_or(real)
    }

    pub(super) fn entry(&self, mut found: LedgerEntry, expected: Option<&LedgerEntry>) -> LedgerEntry {
        found.task = self.model(found.task);
        found.lease = found.lease.map(|real| self.token(found.task, real));
        excuse(&mut found.reason, expected.and_then(|entry| entry.reason.as_deref()));
        found
    }

    pub(super) fn row(&self, mut found: TaskRow, expected: Option<&TaskRow>) -> TaskRow {
        found.id = self.model(found.id);
        found.lease = found.lease.map(|real| self.token(found.id, real));
        excuse(&mut found.reason, expected.and_then(|row| row.reason.as_deref()));
        found
    }

    pub(super) fn record(&self, found: Record, expected: Option<&Record>) -> Record {
        let row = expected.and_then(|record| record.row.as_ref());
        let entries = found.entries.into_iter().enumerate();
        let entries = entries.map(|(n, entry)| self.entry(entry, expected.and_then(|record| record.entries.get(n))));
        Record {
            row: found.row.map(|found| self.row(found, row)),
            task: self.model(found.task),
            entries: entries.collect(),
        }
    }

    fn attempt(&self, mut found: Attempt) -> Attempt {
        found.task.id = self.model(found.task.id);
        found.token = self.token(found.task.id, found.token);
        found
    }

    /// What the store and the engines told, in the model's names.
    pub(super) fn outcome(&self, found: Outcome, expected: &Outcome) -> Outcome {
        match found {
            Outcome::Silent => Outcome::Silent,
            Outcome::Inserted(all) => Outcome::Inserted(
                all.into_iter()
                    .map(|one| match one {
                        Inserted::Added(entry) => Inserted::Added(self.entry(entry, None)),
                        Inserted::Existed(task) => Inserted::Existed(self.model(task)),
                    })
                    .collect(),
            ),
            Outcome::Foreign(task) => Outcome::Foreign(self.model(task)),
            Outcome::Held(all) => Outcome::Held(all.into_iter().map(|one| self.attempt(one)).collect()),
            Outcome::Answered(answers, runs) => {
                let mut runs: Vec<_> =
                    runs.into_iter().map(|(task, number, max)| (self.model(task), number, max)).collect();
                runs.sort_unstable();
                Outcome::Answered(answers, runs)
            }
            Outcome::Acted(all) => {
                Outcome::Acted(all.into_iter().map(|(task, refused)| (self.model(task), refused)).collect())
            }
            Outcome::Rescued(count) => Outcome::Rescued(count),
            Outcome::Seen(all) => {
                let rows = if let Outcome::Seen(rows) = expected { rows.as_slice() } else { &[] };
                let seen = all.into_iter().enumerate().map(|(n, Seen { row, written })| Seen {
                    row: self.row(row, rows.get(n).map(|seen| &seen.row)),
                    written,
                });
                Outcome::Seen(seen.collect())
            }
            Outcome::Lost(all) => Outcome::Lost(all.into_iter().map(|task| self.model(task)).collect()),
        }
    }
}

/// Any words will do where the model expects no particular ones.
fn excuse(found: &mut Option<String>, expected: Option<&str>) {
    if expected == Some(ANY_REASON) && found.as_ref().is_some_and(|words| !words.is_empty()) {
        *found = Some(ANY_REASON.to_owned());
    }
}
