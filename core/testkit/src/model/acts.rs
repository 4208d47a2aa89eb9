//! The model of what people do, and of what is done by hand on the store's port.

use taskwatch_core::engine::Attempt;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::{Inserted, Record, Seen};
use taskwatch_core::task::{FoundStatus, LeaseToken, NewTask, Status, TaskId, TaskRow};
use taskwatch_core::transition::{Event, EventKind, Then};

use super::POLICY;
use super::book::{Stamp, origin};
use super::command::{End, Worker};
use super::outcome::Outcome;
use super::world::{ANY_REASON, World, max_attempts};

/// Why a person did it.
pub(super) const BECAUSE: &str = "because";

impl World {
    pub(super) fn add(&mut self, by: Worker, tasks: &[NewTask]) -> Outcome {
        let inserted = tasks.iter().map(|task| {
            if let Some(first) = task.idempotency_key.as_ref().and_then(|key| self.keys.get(key)) {
                return Inserted::Existed(*first);
            }
            Inserted::Added(self.insert(by, task))
        });
        Outcome::Inserted(inserted.collect())
    }

    fn insert(&mut self, by: Worker, task: &NewTask) -> LedgerEntry {
        let (id, now) = (self.next_id(), self.now);
        let due = task.not_before.unwrap_or(now);
        let entry = LedgerEntry {
            task: id,
            seq: 1,
            event: EventKind::Added,
            from: None,
            to: Status::Pending,
            attempt: 0,
            due,
            lease: None,
            at: now,
            origin: origin(by),
            reason: None,
            trace: None,
        };
        let row = TaskRow {
            id,
            title: task.title.clone(),
            description: task.description.clone(),
            status: FoundStatus::Known(Status::Pending),
            recorded: Some(Status::Pending),
            attempt: 0,
            due,
            lease: None,
            max_attempts: task.max_attempts,
            on_abandon: task.on_abandon,
            seq: 1,
            created: now,
            reason: None,
        };
        self.keys.extend(task.idempotency_key.clone().map(|key| (key, id)));
        self.records.insert(id, Record { row: Some(row), task: id, entries: vec![entry.clone()] });
        entry
    }

    pub(super) fn cancel(&mut self, by: Worker, tasks: &[TaskId]) -> Outcome {
        self.act(by, tasks, Event::Cancelled { now: self.now })
    }

    pub(super) fn replay(&mut self, by: Worker, tasks: &[TaskId]) -> Outcome {
        self.act(by, tasks, Event::Replayed { due: self.now })
    }

    fn act(&mut self, by: Worker, tasks: &[TaskId], event: Event) -> Outcome {
        let stamp = Stamp::of(by);
        let acted = tasks.iter().map(|&task| {
            let done = self.meet(task, &stamp) && self.enter(task, &stamp, event, Some(BECAUSE)).is_ok();
            (task, !done)
        });
        Outcome::Acted(acted.collect())
    }

    pub(super) fn rescue(&mut self, by: Worker, limit: usize) -> Outcome {
        let stamp = Stamp::of(by);
        let found = self.due(Status::InProgress, limit);
        for &task in &found {
            if self.meet(task, &stamp) {
                self.abandon(task, &stamp);
            }
        }
        Outcome::Rescued(found.len())
    }

    /// Starts what can be started, of rows that nobody else has touched, all with one token.
    pub(super) fn take(&mut self, tasks: &[TaskId]) -> Outcome {
        let (token, now) = (self.next_token(), self.now);
        let lease_until = now + POLICY.lease;
        self.by_hand(tasks, |world, row| {
            let started = Event::Started { token, now, lease_until };
            world.enter(row.id, &Stamp::by_hand(), started, None).ok()?;
            let number = world.row(row.id)?.attempt;
            let max = max_attempts(row);
            world.holds.push(Attempt {
                task: row.task(),
                created: row.created,
                number,
                max,
                token,
                started: now,
                lease_until,
                trace: None,
            });
            Some(())
        })
    }

    pub(super) fn settle_by_hand(&mut self, hold: usize, end: End) -> Outcome {
        let Attempt { task, token, .. } = self.holds[hold].clone();
        let event = settlement(end, token, self.now);
        self.by_hand(&[task.id], |world, row| world.enter(row.id, &Stamp::by_hand(), event, Some(BECAUSE)).ok())
    }

    pub(super) fn release_by_hand(&mut self, hold: usize) -> Outcome {
        let Attempt { task, token, .. } = self.holds[hold].clone();
        let event = Event::Released { token, due: self.now };
        self.by_hand(&[task.id], |world, row| world.enter(row.id, &Stamp::by_hand(), event, Some(BECAUSE)).ok())
    }

    /// Rows that the other program has written to are left alone.
    fn by_hand(&mut self, tasks: &[TaskId], mut decide: impl FnMut(&mut Self, &TaskRow) -> Option<()>) -> Outcome {
        let mut seen = Vec::new();
        for &task in tasks {
            let Some(row) = self.row(task).cloned() else { continue };
            let ours = row.recorded.is_some() && !row.is_overwritten();
            let written = ours && decide(self, &row).is_some();
            seen.push(Seen { row, written });
        }
        Outcome::Seen(seen)
    }

    pub(super) fn extend(&mut self, holds: &[usize]) -> Outcome {
        let until = self.now + POLICY.lease;
        let mut lost = Vec::new();
        for &hold in holds {
            let Attempt { task, token, .. } = self.holds[hold].clone();
            let row = self.records.get_mut(&task.id).and_then(|record| record.row.as_mut());
            let running = Some(Status::InProgress);
            let held = |row: &&mut TaskRow| {
                row.lease == Some(token) && row.recorded == running && row.status.known() == running
            };
            match row.filter(held) {
                Some(row) => row.due = until,
                None => lost.push(task.id),
            }
        }
        Outcome::Lost(lost)
    }

    /// Puts a task back whose lease is over, or gives it up.
    pub(super) fn abandon(&mut self, task: TaskId, stamp: &Stamp) {
        use taskwatch_core::task::OnAbandon;
        let now = self.now;
        let Some(row) = self.row(task) else { return };
        let no_more = row.on_abandon == OnAbandon::Fail || row.attempt >= max_attempts(row);
        let then = if no_more { Then::GiveUp { now } } else { Then::Retry { due: now } };
        // Refused while there is no lease, or a live one.
        let _ = self.enter(task, stamp, Event::Abandoned { now, then }, Some(ANY_REASON));
    }
}

/// What is reported by hand: no policy is asked.
pub(super) fn settlement(end: End, token: LeaseToken, now: taskwatch_core::time::Timestamp) -> Event {
    match end {
        End::Complete => Event::Completed { token, now },
        End::Retry => Event::Failed { token, then: Then::Retry { due: now } },
        End::RetryAfter(after) => Event::Failed { token, then: Then::Retry { due: now + after } },
        End::Permanent | End::Panic => Event::Failed { token, then: Then::GiveUp { now } },
    }
}
