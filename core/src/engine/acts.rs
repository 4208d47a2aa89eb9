//! What a person does to tasks: add, cancel, replay.

use super::Engine;
use crate::ports::{Inserted, Select, StoreError};
use crate::task::{NewTask, TaskId, TaskRow};
use crate::time::Timestamp;
use crate::transition::Event;

/// What became of an act on one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// Which.
    pub task: TaskId,
    /// Why it was refused; `None` when it was done.
    pub refused: Option<String>,
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
        self.act(tasks, Event::Cancelled { now }, now, reason).await
    }

    /// Puts Failed tasks back, with a fresh count of attempts.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be written.
    pub async fn replay(&self, tasks: &[TaskId], reason: &str) -> Result<Vec<Acted>, StoreError> {
        let now = self.parts.clock.now();
        self.act(tasks, Event::Replayed { due: now }, now, reason).await
    }

    async fn act(
        &self,
        tasks: &[TaskId],
        event: Event,
        now: Timestamp,
        reason: &str,
    ) -> Result<Vec<Acted>, StoreError> {
        let attempt = |row: &TaskRow| {
            let mut draft = self.meet(row, now, None).map_err(|status| format!("its status is {status:?}"))?;
            let done = draft.apply(event, Some(reason)).map_err(|why| why.to_string());
            Ok::<_, String>((done, draft.finish()))
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
                    None => Some("no such task".to_owned()),
                    Some((seen, change)) => {
                        if let Some(change) = change {
                            self.tell(&change.entries);
                        }
                        match attempt(&seen.row) {
                            Ok((Ok(()), _)) if seen.written => None,
                            Ok((Ok(()), _)) => Some("somebody else changed it at the same moment".to_owned()),
                            Ok((Err(why), _)) | Err(why) => Some(why),
                        }
                    }
                };
                Acted { task, refused }
            })
            .collect())
    }
}
