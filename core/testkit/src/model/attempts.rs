//! The model of attempts: what a delivery finds, and how an attempt ends.

use std::collections::BTreeMap;
use std::time::Duration;

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::engine::Attempt;
use taskwatch_core::metric::Metric;
use taskwatch_core::policy::LONGEST_LEASE;
use taskwatch_core::task::{LeaseToken, OnAbandon, Status, TaskId};
use taskwatch_core::transition::{Event, EventKind, Then};

use super::POLICY;
use super::book::{Stamp, TRACE};
use super::command::{End, Parcel, Worker};
use super::outcome::{Outcome, Run};
use super::world::{ANY_REASON, World, max_attempts};

type Answers = BTreeMap<String, (Answer, Why)>;

impl World {
    pub(super) fn claim_due(&mut self, by: Worker, limit: usize) -> Outcome {
        let (stamp, token) = (Stamp::of(by), self.next_token());
        let mut held = Vec::new();
        for task in self.due(Status::Pending, limit) {
            held.extend(self.look(task, &stamp, token).ok());
        }
        self.holds.extend(held.iter().cloned());
        Outcome::Held(held)
    }

    /// Starts an announced task, or says what to answer instead.
    fn look(&mut self, task: TaskId, stamp: &Stamp, token: LeaseToken) -> Result<Attempt, (Answer, Why)> {
        let now = self.now;
        let Some(found) = self.row(task).cloned() else {
            return Err((Answer::RetryAfter(POLICY.retry_delay), Why::NoSuchTask));
        };
        if !self.meet(task, stamp) {
            return Err((Answer::DeadLetter, Why::UnknownStatus(found.status.to_string())));
        }
        self.abandon(task, stamp);
        let state = self.row(task).and_then(|row| row.state()).expect("a row that was met has a state");
        let later = Answer::RetryAfter(state.due.since(now));
        match state.status {
            Status::Completed | Status::Cancelled => Err((Answer::Acknowledge, Why::Settled(state.status))),
            Status::Failed => Err((Answer::DeadLetter, Why::AlreadyFailed(ANY_REASON.to_owned()))),
            Status::InProgress => Err((later, Why::InProgress)),
            Status::Pending => {
                let lease_until = now + POLICY.lease;
                if self.enter(task, stamp, Event::Started { token, now, lease_until }, None).is_err() {
                    return Err((later, Why::NotDue));
                }
                let (number, max, trace) = (state.attempt + 1, max_attempts(&found), stamp.trace.clone());
                Ok(Attempt {
                    task: found.task(),
                    created: found.created,
                    number,
                    max,
                    token,
                    started: now,
                    lease_until,
                    trace,
                })
            }
        }
    }

    pub(super) fn deliver(&mut self, by: Worker, parcels: &[Parcel]) -> Outcome {
        let mut announced: BTreeMap<TaskId, Vec<usize>> = BTreeMap::new();
        for (index, parcel) in parcels.iter().enumerate() {
            announced.entry(parcel.task).or_default().push(index);
        }
        let (token, mut answers, mut running) = (self.next_token(), Answers::new(), Vec::new());
        for (task, indexes) in announced {
            let trace = indexes.iter().any(|&index| parcels[index].traced).then(|| TRACE.to_owned());
            match self.look(task, &Stamp { trace, ..Stamp::of(by) }, token) {
                Ok(attempt) => running.push((attempt, parcels[indexes[0]].end, indexes)),
                Err((answer, why)) => {
                    for index in indexes {
                        if matches!(why, Why::Settled(_)) {
                            self.count(Metric::DuplicateDeliveries);
                        }
                        let patient = parcels[index].receive_count <= POLICY.missing_row_retries;
                        let answer =
                            if why == Why::NoSuchTask && !patient { Answer::DeadLetter } else { answer.clone() };
                        answers.insert(index.to_string(), (answer, why.clone()));
                    }
                }
            }
        }
        let runs = running.iter().map(|(attempt, ..)| run(attempt)).collect();
        for (attempt, end, indexes) in running {
            let answer = self.settle(by, &attempt, end);
            answers.extend(indexes.into_iter().map(|index| (index.to_string(), answer.clone())));
        }
        Outcome::Answered(answers, runs)
    }

    pub(super) fn finish(&mut self, by: Worker, ends: &[(usize, End)], takes: Duration, believes: bool) -> Outcome {
        let began = self.now;
        let attempts = ends.iter().map(|&(hold, end)| {
            let attempt = self.holds[hold].clone();
            let runs = believes || attempt.lease_until > began;
            (hold, attempt, runs.then_some(end))
        });
        let attempts: Vec<(usize, Attempt, Option<End>)> = attempts.collect();
        let mut runs: Vec<Run> =
            attempts.iter().filter(|(.., end)| end.is_some()).map(|(_, attempt, _)| run(attempt)).collect();
        runs.sort_unstable();
        if !runs.is_empty() {
            self.now = self.now + takes;
        }
        let answer = |(hold, attempt, end): (usize, Attempt, Option<End>)| {
            let answer = match end {
                Some(end) => self.settle(by, &attempt, end),
                None => self.release(by, &attempt),
            };
            (hold.to_string(), answer)
        };
        Outcome::Answered(attempts.into_iter().map(answer).collect(), runs)
    }

    pub(super) fn give_back(&mut self, by: Worker, holds: &[usize]) -> Outcome {
        let mut answers = Answers::new();
        for &hold in holds {
            let attempt = self.holds[hold].clone();
            answers.insert(hold.to_string(), self.release(by, &attempt));
        }
        Outcome::Answered(answers, Vec::new())
    }

    fn release(&mut self, by: Worker, attempt: &Attempt) -> (Answer, Why) {
        let event = Event::Released { token: attempt.token, due: self.now };
        self.conclude(by, attempt, event, Some(ANY_REASON), false)
    }

    fn settle(&mut self, by: Worker, attempt: &Attempt, end: End) -> (Answer, Why) {
        let (token, now) = (attempt.token, self.now);
        let failed = |then| Event::Failed { token, then };
        let again = |after| {
            let no_more = attempt.number >= attempt.max;
            failed(if no_more { Then::GiveUp { now } } else { Then::Retry { due: now + after } })
        };
        // Nobody knows how far it came.
        let may_run_twice = self.row(attempt.task.id).is_none_or(|row| row.on_abandon == OnAbandon::Retry);
        let (event, reason) = match end {
            End::Panic if !may_run_twice => (failed(Then::GiveUp { now }), Some(ANY_REASON)),
            End::Complete => (Event::Completed { token, now }, None),
            End::Retry | End::Panic => (again(backoff(by, attempt.number)), Some(ANY_REASON)),
            End::RetryAfter(after) => (again(after.min(LONGEST_LEASE)), Some(ANY_REASON)),
            End::Permanent => (failed(Then::GiveUp { now }), Some(ANY_REASON)),
        };
        self.conclude(by, attempt, event, reason, end == End::Panic)
    }

    /// Settles an attempt if its lease still is its own, and answers by what stands in the row then.
    fn conclude(
        &mut self,
        by: Worker,
        attempt: &Attempt,
        event: Event,
        reason: Option<&str>,
        panicked: bool,
    ) -> (Answer, Why) {
        let (task, now) = (attempt.task.id, self.now);
        let Some(found) = self.row(task).cloned() else {
            self.count(Metric::StaleLeases);
            return (Answer::Acknowledge, Why::NoSuchTask);
        };
        let stamp = Stamp { trace: attempt.trace.clone(), ..Stamp::of(by) };
        let written = self.meet(task, &stamp) && self.enter(task, &stamp, event, reason).is_ok();
        // Its own settlement leaves the token in the row, and is confirmed to whoever asks again.
        let before = found.recorded != Some(Status::InProgress)
            && found.lease == Some(attempt.token)
            && found.status.known() == found.recorded;
        if !written && !before {
            self.count(Metric::StaleLeases);
            let state = self.row(task).and_then(|row| row.state());
            let answer = match state.map(|state| (state.status, state.due)) {
                Some((Status::Completed | Status::Cancelled, _)) => Answer::Acknowledge,
                Some((Status::Failed, _)) => Answer::DeadLetter,
                Some((Status::Pending | Status::InProgress, due)) => Answer::RetryAfter(due.since(now)),
                None => Answer::RetryAfter(POLICY.retry_delay),
            };
            return (answer, Why::StaleLease);
        }
        if panicked {
            self.count(Metric::HandlerPanics);
        }
        let any = ANY_REASON.to_owned();
        match event {
            Event::Failed { then: Then::Retry { due }, .. } => {
                (Answer::RetryAfter(due.since(now)), Why::WillRetry(any))
            }
            Event::Failed { then: Then::GiveUp { .. }, .. } => (Answer::DeadLetter, Why::Dead(any)),
            _ if event.kind() == EventKind::Released => (Answer::RetryAfter(Duration::ZERO), Why::Released(any)),
            _ => (Answer::Acknowledge, Why::Completed),
        }
    }
}

/// The two ends of what full jitter can draw.
fn backoff(by: Worker, attempt: u32) -> Duration {
    match by {
        Worker::A => (POLICY.backoff.base * 2_u32.pow(attempt - 1)).min(POLICY.backoff.cap),
        Worker::B => Duration::ZERO,
    }
}

pub(super) fn run(attempt: &Attempt) -> Run {
    (attempt.task.id, attempt.number, attempt.max)
}
