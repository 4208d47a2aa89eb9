//! Looks through the table for rows to move on, and does not let one that the database will not take hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::ports::{Change, Decide, DueBefore, Notice, Seen, Select, StoreError};
use crate::task::{TaskId, TaskRow};
use crate::time::Timestamp;

/// How long a refused row is left aside.
const ASIDE: Duration = Duration::from_secs(60);

/// Rows that the database would not take, and until when they are left aside.
#[derive(Default)]
pub(super) struct LeftAside(Mutex<BTreeMap<TaskId, Timestamp>>);

impl LeftAside {
    fn at(&self, now: Timestamp) -> BTreeSet<TaskId> {
        let mut aside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        aside.retain(|_, until| *until > now);
        aside.keys().copied().collect()
    }

    fn add(&self, task: TaskId, until: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task, until);
    }
}

impl Engine {
    /// A transaction on rows found by time. Where it is refused, each row gets its own; what is refused alone as well is
    /// left aside for a while, since it would come first again.
    pub(super) async fn sweep(
        &self,
        select: fn(DueBefore) -> Select,
        mut due: DueBefore,
        decide: &Decide<'_>,
    ) -> Result<Vec<(Seen, Option<Change>)>, StoreError> {
        let aside = self.left_aside.at(due.ours);
        due.limit = due.limit.saturating_add(aside.len());
        let wanted = Mutex::new(BTreeSet::new());
        let deciding = |row: &TaskRow| {
            let change = if aside.contains(&row.id) { None } else { decide(row) };
            if change.is_some() {
                wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(row.id);
            }
            change
        };
        let refused = match self.transact(&select(due), &deciding).await {
            Err(StoreError::Refused(why)) => why,
            answer => return answer,
        };
        let mut done = Vec::new();
        for task in wanted.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match self.transact(&Select::Ids(vec![task]), decide).await {
                Ok(seen) => done.extend(seen),
                Err(StoreError::Refused(why)) => {
                    self.left_aside.add(task, due.ours + ASIDE);
                    let what = format!("task {task} is left aside for {ASIDE:?}: {why}");
                    self.parts.observer.notice(&Notice::Trouble(&what));
                }
                // Those that were done must not be forgotten over those that come later.
                Err(_) => break,
            }
        }
        if done.is_empty() { Err(StoreError::Refused(refused)) } else { Ok(done) }
    }
}
