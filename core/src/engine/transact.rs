//! Transactions whose confirmation may get lost.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Engine, PAUSES};
use crate::ports::{Change, Decide, Seen, Select, StoreError};
use crate::task::{TaskId, TaskRow};

/// What was decided about each row, and on what.
type Decided = BTreeMap<TaskId, (TaskRow, Change)>;

/// All that was decided in tries that nobody has confirmed: any of them may have been written.
#[derive(Default)]
struct Unsure(BTreeMap<TaskId, Vec<(TaskRow, Change)>>);

impl Unsure {
    fn add(&mut self, decided: Decided) {
        for (task, one) in decided {
            let all = self.0.entry(task).or_default();
            if all.last() != Some(&one) {
                all.push(one);
            }
        }
    }

    /// The decision that made the row what it is, if one of these did.
    fn find(&self, row: &TaskRow) -> Option<&(TaskRow, Change)> {
        self.0.get(&row.id)?.iter().find(|(_, change)| is_written(row, change))
    }
}

impl Engine {
    /// Runs a transaction, and answers with each row as it was before and the change that was written to it.
    ///
    /// Where the store does not know whether it has written, the rows are asked until they tell: a row that now is what
    /// was decided for it has been written. Without that, a claim would hold leases that nobody knows of, and a count
    /// would be missed.
    pub(super) async fn transact(
        &self,
        select: &Select,
        decide: &Decide<'_>,
    ) -> Result<Vec<(Seen, Option<Change>)>, StoreError> {
        let decided = Mutex::new(Decided::new());
        let noting = |row: &TaskRow| note(&decided, row, decide(row));
        let mut answer = self.parts.store.transact(select, &noting).await;
        let mut unsure = Unsure::default();
        if let Err(StoreError::Unknown(_)) = answer {
            answer = self.make_sure(answer, select, &decided, &mut unsure, &noting).await;
        }
        let seen = match answer {
            Ok(seen) => seen,
            Err(error) => {
                self.database.trouble(&*self.parts.observer, &error.to_string());
                return Err(error);
            }
        };
        self.database.recovered(&*self.parts.observer);
        let mut decided = decided.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(seen
            .into_iter()
            .map(|seen| match unsure.find(&seen.row) {
                Some((before, change)) => (Seen { row: before.clone(), written: true }, Some(change.clone())),
                None => {
                    let change = decided.remove(&seen.row.id).map(|(_, change)| change).filter(|_| seen.written);
                    (seen, change)
                }
            })
            .collect())
    }

    /// Repeats a transaction on the rows that an earlier try may have written, for as long as a lease lasts.
    async fn make_sure(
        &self,
        mut answer: Result<Vec<Seen>, StoreError>,
        select: &Select,
        decided: &Mutex<Decided>,
        unsure: &mut Unsure,
        decide: &Decide<'_>,
    ) -> Result<Vec<Seen>, StoreError> {
        let again = match select {
            Select::Ids(ids) => Select::Ids(ids.clone()),
            // By now they are no longer due.
            Select::Due(_) | Select::LeaseOver(_) => Select::Ids(lock(decided).keys().copied().collect()),
        };
        let clock = &*self.parts.clock;
        let until = clock.now() + self.parts.policy.lease;
        let mut tries = 0;
        while let Err(error @ (StoreError::Unknown(_) | StoreError::Unavailable(_))) = &answer {
            self.database.trouble(&*self.parts.observer, &error.to_string());
            if clock.now() >= until {
                break;
            }
            // At once, then with growing pauses.
            if tries > 0 {
                clock.sleep(PAUSES.delay(tries, &*self.parts.entropy) + PAUSES.base / 4).await;
            }
            tries += 1;
            unsure.add(std::mem::take(&mut *lock(decided)));
            let undecided = |row: &TaskRow| if unsure.find(row).is_some() { None } else { decide(row) };
            answer = self.parts.store.transact(&again, &undecided).await;
        }
        answer
    }
}

/// Whether the row is what the change made of it.
fn is_written(row: &TaskRow, change: &Change) -> bool {
    Some(row.seq) == change.entries.last().map(|last| last.seq) && row.state() == Some(change.state)
}

fn note(decided: &Mutex<Decided>, row: &TaskRow, change: Option<Change>) -> Option<Change> {
    let mut decided = lock(decided);
    match &change {
        Some(change) => decided.insert(row.id, (row.clone(), change.clone())),
        // A store may repeat a transaction by itself, and find something else.
        None => decided.remove(&row.id),
    };
    change
}

fn lock(decided: &Mutex<Decided>) -> MutexGuard<'_, Decided> {
    decided.lock().unwrap_or_else(PoisonError::into_inner)
}
