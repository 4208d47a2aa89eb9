//! Tasks to be added, sorted by what their idempotency keys say.

use std::collections::BTreeMap;

use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use crate::error::Fault;
use crate::limits;

/// What becomes of one task of the batch.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The n-th row to insert is its own.
    Fresh(usize),
    /// The n-th row to insert has its key.
    Same(usize),
    /// This row has had its key before.
    Known(TaskId),
}

/// A batch of new tasks, of which those with a used key are not inserted.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    /// The rows to insert, in this order.
    pub(crate) fresh: Vec<&'a NewTask>,
    places: Vec<Place>,
    origin: &'a Origin,
    now: Timestamp,
}

impl<'a> Batch<'a> {
    /// Sorts the tasks. `known` are the keys found in the table.
    pub(crate) fn new(
        tasks: &'a [NewTask],
        known: &BTreeMap<String, TaskId>,
        origin: &'a Origin,
        now: Timestamp,
    ) -> Self {
        let mut fresh = Vec::new();
        let mut first_with: BTreeMap<&str, usize> = BTreeMap::new();
        let mut places = Vec::with_capacity(tasks.len());
        for task in tasks {
            let key = task.idempotency_key.as_deref();
            let place = match key.and_then(|key| known.get(key)) {
                Some(&id) => Place::Known(id),
                None => match key.and_then(|key| first_with.get(key)) {
                    Some(&index) => Place::Same(index),
                    None => {
                        key.map(|key| first_with.insert(key, fresh.len()));
                        fresh.push(task);
                        Place::Fresh(fresh.len() - 1)
                    }
                },
            };
            places.push(place);
        }
        Self { fresh, places, origin, now }
    }

    /// When a task may start.
    pub(crate) fn due(&self, task: &NewTask) -> Timestamp {
        task.not_before.unwrap_or(self.now)
    }

    /// The first entry of a task.
    pub(crate) fn entry(&self, id: TaskId, task: &NewTask) -> LedgerEntry {
        LedgerEntry {
            task: id,
            seq: 1,
            event: EventKind::Added,
            from: None,
            to: Status::Pending,
            attempt: 0,
            due: self.due(task),
            lease: None,
            at: self.now,
            origin: self.origin.clone(),
            reason: None,
            trace: task.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE).into_owned()),
        }
    }

    /// What to answer, given the ids of the rows inserted.
    pub(crate) fn inserted(&self, ids: &[TaskId]) -> Result<Vec<Inserted>, Fault> {
        let id = |index: usize| {
            let missing = || Fault::Refused(format!("{} tasks inserted, {} ids found", self.fresh.len(), ids.len()));
            ids.get(index).copied().ok_or_else(missing)
        };
        self.places
            .iter()
            .map(|&place| {
                Ok(match place {
                    Place::Fresh(index) => Inserted::Added(self.entry(id(index)?, self.fresh[index])),
                    Place::Same(index) => Inserted::Existed(id(index)?),
                    Place::Known(id) => Inserted::Existed(id),
                })
            })
            .collect()
    }
}

/// The keys of a batch that have to be looked up.
pub(crate) fn keys(tasks: &[NewTask]) -> Vec<&str> {
    let mut keys: Vec<&str> = tasks.iter().filter_map(|task| task.idempotency_key.as_deref()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
