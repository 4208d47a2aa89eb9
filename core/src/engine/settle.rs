//! Writes how attempts ended, each under its own lease.

use std::collections::BTreeMap;

use super::Engine;
use super::run::{Cut, Ended, Finished};
use crate::delivery::{Answer, Why};
use crate::metric::Metric;
use crate::policy::LONGEST_LEASE;
use crate::ports::{Change, FailureKind, Select, StoreError};
use crate::task::{LeaseToken, OnAbandon, Status, TaskId, TaskRow, TaskState};
use crate::time::Timestamp;
use crate::transition::{Event, Then};

/// The event that an end amounts to, drawn before the transaction so that it can be repeated.
struct Wanted {
    token: LeaseToken,
    event: Event,
    reason: Option<String>,
    /// The handler may have been in the middle of its work.
    half_done: bool,
    at: Timestamp,
    trace: Option<String>,
}

/// What became of a batch of ends.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) answered: Vec<(Finished, Answer, Why)>,
    /// Not written, though the lease is still held: somebody keeps the row locked, or changed it at the same moment.
    pub(super) held_up: Vec<Finished>,
}

/// Or the attempts come back with the reason why nothing was written, or nobody knows.
pub(super) type Settlement = Result<Settled, (Vec<Finished>, StoreError)>;

impl Wanted {
    /// Work that must not run twice does not run again after it ended in the middle.
    fn event_on(&self, row: &TaskRow) -> Event {
        if self.half_done && row.on_abandon == OnAbandon::Fail {
            return Event::Failed { token: self.token, then: Then::GiveUp { now: self.at } };
        }
        self.event
    }

    /// Whether the row is in the hands of the attempt that has ended, so that the end can be written.
    fn is_held(&self, row: &TaskRow) -> bool {
        row.recorded == Some(Status::InProgress) && row.lease == Some(self.token) && !row.is_overwritten()
    }
}

impl Engine {
    fn wanted(&self, finished: &Finished) -> Wanted {
        let (token, at) = (finished.attempt.token, finished.at);
        let (event, reason) = match &finished.ended {
            Ended::Completed => (Event::Completed { token, now: at }, None),
            Ended::CutOff(Cut::Untried) => (Event::Released { token, due: at }, Some("not begun in time".to_owned())),
            Ended::CutOff(Cut::Shutdown) => (Event::Released { token, due: at }, Some("shutting down".to_owned())),
            Ended::CutOff(Cut::LeaseOver) => {
                self.failed(finished, FailureKind::Retry { after: None }, "the lease could not be renewed")
            }
            Ended::CutOff(Cut::DeliveryLost) => {
                self.failed(finished, FailureKind::Retry { after: None }, "the delivery could not be kept from others")
            }
            Ended::Panicked(reason) | Ended::TimedOut(reason) => {
                self.failed(finished, FailureKind::Retry { after: None }, reason)
            }
            Ended::Failed(failure) if failure.kind == FailureKind::NotBegun => {
                let due = at + self.parts.policy.retry_delay;
                (Event::Released { token, due }, Some(failure.reason.clone()))
            }
            Ended::Failed(failure) => self.failed(finished, failure.kind, &failure.reason),
        };
        let half_done = match &finished.ended {
            Ended::Panicked(_) | Ended::TimedOut(_) => true,
            Ended::Failed(failure) => failure.kind == FailureKind::CutOff,
            Ended::CutOff(cut) => *cut != Cut::Untried,
            Ended::Completed => false,
        };
        Wanted { token, event, reason, half_done, at, trace: finished.attempt.trace.clone() }
    }

    fn failed(&self, finished: &Finished, kind: FailureKind, reason: &str) -> (Event, Option<String>) {
        let attempt = &finished.attempt;
        let then = match kind {
            FailureKind::Permanent => Then::GiveUp { now: finished.at },
            _ if attempt.number >= attempt.max => Then::GiveUp { now: finished.at },
            FailureKind::Retry { after: Some(after) } => Then::Retry { due: finished.at + after.min(LONGEST_LEASE) },
            FailureKind::Retry { after: None } | FailureKind::CutOff | FailureKind::NotBegun => {
                let delay = self.parts.policy.backoff.delay(attempt.number, &*self.parts.entropy);
                Then::Retry { due: finished.at + delay }
            }
        };
        (Event::Failed { token: attempt.token, then }, Some(reason.to_owned()))
    }

    fn conclude(&self, row: &TaskRow, wanted: &Wanted) -> Option<Change> {
        let mut draft = self.meet(row, wanted.at, wanted.trace.as_deref()).ok()?;
        // A stale lease writes nothing of its own, but what another program did to the row is still noted.
        let _stale = draft.apply(wanted.event_on(row), wanted.reason.as_deref());
        draft.finish()
    }

    /// Writes the ends of attempts in one transaction.
    pub(super) async fn settle(&self, finished: Vec<Finished>) -> Settlement {
        let wanted: BTreeMap<TaskId, Wanted> =
            finished.iter().map(|one| (one.attempt.task.id, self.wanted(one))).collect();
        let select = Select::Ids(wanted.keys().copied().collect());
        let decide = |row: &TaskRow| self.conclude(row, wanted.get(&row.id)?);
        let seen = match self.transact(&select, &decide).await {
            Ok(seen) => seen,
            Err(error) => return Err((finished, error)),
        };
        let mut rows: BTreeMap<TaskId, (TaskRow, Option<Change>)> =
            seen.into_iter().map(|(seen, change)| (seen.row.id, (seen.row, change))).collect();
        let mut settled = Settled::default();
        for one in finished {
            let found = rows.remove(&one.attempt.task.id);
            let want = wanted.get(&one.attempt.task.id);
            let (answer, why) = match (found, want) {
                (Some((row, None)), Some(want)) if want.is_held(&row) => {
                    settled.held_up.push(one);
                    continue;
                }
                (Some((row, change)), Some(want)) => self.outcome(&one, &row, change.as_ref(), want),
                // The row was deleted under the attempt, and the lease with it.
                _ => {
                    self.count(Metric::StaleLeases, one.at);
                    (Answer::Acknowledge, Why::NoSuchTask)
                }
            };
            settled.answered.push((one, answer, why));
        }
        Ok(settled)
    }

    fn outcome(&self, one: &Finished, row: &TaskRow, change: Option<&Change>, want: &Wanted) -> (Answer, Why) {
        if let Some(change) = change {
            self.tell(&change.entries);
        }
        let event = want.event_on(row);
        let written = change.and_then(|change| change.entries.last()).is_some_and(|last| last.event == event.kind());
        // Written by a transaction that nobody could confirm for the length of a lease: only the holder's own settlement
        // leaves its token.
        let before = row.recorded != Some(Status::InProgress) && row.lease == Some(want.token) && !row.is_overwritten();
        if !written && !before {
            self.count(Metric::StaleLeases, one.at);
            let state = change.map(|change| change.state).or_else(|| row.state());
            return (self.after_stale(state, one.at), Why::StaleLease);
        }
        self.measure(one, row);
        let reason = || want.reason.clone().unwrap_or_default();
        match event {
            Event::Failed { then: Then::Retry { due }, .. } => {
                (Answer::RetryAfter(due.since(one.at)), Why::WillRetry(reason()))
            }
            Event::Failed { then: Then::GiveUp { .. }, .. } => (Answer::DeadLetter, Why::Dead(reason())),
            Event::Released { due, .. } => (Answer::RetryAfter(due.since(one.at)), Why::Released(reason())),
            _ => (Answer::Acknowledge, Why::Completed),
        }
    }

    fn measure(&self, one: &Finished, row: &TaskRow) {
        match &one.ended {
            Ended::CutOff(_) => return,
            Ended::Panicked(_) => self.count(Metric::HandlerPanics, one.at),
            Ended::Completed => self.took(Metric::TaskLatency, row.created, one.at),
            Ended::Failed(_) | Ended::TimedOut(_) => {}
        }
        self.took(Metric::TaskDuration, one.attempt.started, one.at);
    }

    /// What to answer for a delivery whose attempt counts for nothing: whatever the row now asks for.
    fn after_stale(&self, state: Option<TaskState>, now: Timestamp) -> Answer {
        match state {
            Some(TaskState { status: Status::Completed | Status::Cancelled, .. }) => Answer::Acknowledge,
            Some(TaskState { status: Status::Failed, .. }) => Answer::DeadLetter,
            Some(TaskState { due, .. }) => Answer::RetryAfter(due.since(now)),
            None => Answer::RetryAfter(self.parts.policy.retry_delay),
        }
    }
}
