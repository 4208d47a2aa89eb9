//! What a person does to tasks: add, cancel, replay.

use std::collections::BTreeMap;

use super::Engine;
use crate::ports::{Inserted, Select, StoreError};
use crate::task::{NewTask, TaskId, TaskRow};
use crate::time::Timestamp;
use crate::transition::{Event, IllegalTransition};

/// What became of an act on one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// Which.
    pub task: TaskId,
    /// Why it was refused; `None` when it was done.
    pub refused: Option<Refusal>,
}

/// Why a person cannot have their way with a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no row.
    #[error("no such task")]
    NoSuchTask,
    /// Another program has written a status that is none of the five.
    #[error("its status is {0:?}")]
    UnknownStatus(String),
    /// The task's status does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Another writer came first; asking again helps.
    #[error("somebody else changed it at the same moment")]
    Contended,
}

impl Engine {
    /// Adds tasks, all or none.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be written.
    pub async fn add(&self, tasks: &[NewTask]) -> Result<Vec<Inserted>, StoreError> {
        let inserted = self.parts.store.insert(tasks, &self.parts.origin, self.parts.clock.now()).await?;
        for one in &inserted {
            if let Inserted::Added(entry) = one {
                self.tell(std::slice::from_ref(entry));
            }
        }
        Ok(inserted)
    }

    /// Calls tasks off: Pending ones at once, running ones at the next renewal of their lease.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be written.
    pub async fn cancel(&self, tasks: &[TaskId], reason: &str) -> Result<Vec<Acted>, StoreError> {
        let now = self.parts.clock.now();
        self.act(tasks, Event::Cancelled { now }, now, &|_| reason).await
    }

    /// Puts Failed tasks back, with a fresh count of attempts.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be written.
    pub async fn replay(&self, tasks: &[TaskId], reason: &str) -> Result<Vec<Acted>, StoreError> {
        let now = self.parts.clock.now();
        self.act(tasks, Event::Replayed { due: now }, now, &|_| reason).await
    }

    /// As [`Self::replay`], each for a reason of its own.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be written.
    pub async fn replay_each(&self, tasks: &BTreeMap<TaskId, String>) -> Result<Vec<Acted>, StoreError> {
        let now = self.parts.clock.now();
        let ids: Vec<_> = tasks.keys().copied().collect();
        let reason = |task: TaskId| tasks.get(&task).map_or("", String::as_str);
        self.act(&ids, Event::Replayed { due: now }, now, &reason).await
    }

    async fn act<'a>(
        &self,
        tasks: &[TaskId],
        event: Event,
        now: Timestamp,
        reason: &(dyn Fn(TaskId) -> &'a str + Sync),
    ) -> Result<Vec<Acted>, StoreError> {
        let attempt = |row: &TaskRow| {
            let mut draft = self.meet(row, now, None).map_err(|status| Refusal::UnknownStatus(status.to_owned()))?;
            let done = draft.apply(event, Some(reason(row.id)));
            Ok::<_, Refusal>((done, draft.finish()))
        };
        let decide = |row: &TaskRow| attempt(row).ok().and_then(|(_, change)| change);
        let mut sorted = tasks.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let seen = self.transact(&Select::Ids(sorted.clone()), &decide).await?;
        Ok(sorted
            .into_iter()
            .map(|task| {
                let refused = match seen.iter().find(|(seen, _)| seen.row.id == task) {
                    None => Some(Refusal::NoSuchTask),
                    Some((seen, change)) => {
                        if let Some(change) = change {
                            self.tell(&change.entries);
                        }
                        match attempt(&seen.row) {
                            Ok((Ok(()), _)) if seen.written => None,
                            Ok((Ok(()), _)) => Some(Refusal::Contended),
                            Ok((Err(why), _)) => Some(why.into()),
                            Err(why) => Some(why),
                        }
                    }
                };
                Acted { task, refused }
            })
            .collect())
    }
}
