//! Takes leases: what each delivery finds, and whether it may run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Attempt, Engine};
use crate::delivery::{Answer, Answered, Delivery, Subject, Why};
use crate::draft::Draft;
use crate::metric::Metric;
use crate::ports::{Change, DueBefore, Select, StoreError};
use crate::task::{LeaseToken, OnAbandon, Status, TaskId, TaskRow};
use crate::time::Timestamp;
use crate::transition::{Event, IllegalTransition, Then};

/// A delivery that may run, with the other deliveries of the same task that came in the same batch.
pub(super) struct Claimed {
    pub(super) attempt: Attempt,
    pub(super) deliveries: Vec<Delivery>,
}

/// What a claim makes of a batch.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) claimed: Vec<Claimed>,
    pub(super) answered: Vec<Answered>,
    /// The database could not be asked, or would not take them.
    pub(super) failed: bool,
    /// Those that it could not be asked about, and why.
    pub(super) unclaimed: Vec<(Delivery, Why)>,
}

/// What a row means for whoever wants to run it.
enum Verdict {
    Run,
    Settled(Status),
    InProgress(Timestamp),
    NotDue(Timestamp),
    Failed(String),
    UnknownStatus(String),
}

/// The values of one claim, drawn before the transaction so that it can be repeated.
#[derive(Clone, Copy)]
struct Terms {
    token: LeaseToken,
    now: Timestamp,
    lease_until: Timestamp,
}

impl Terms {
    /// For this row. Where the clock says that the row is still to be added, it is behind that of whoever added it: what
    /// was due from the beginning is due, and need not be sent back until this clock has caught up.
    fn on(self, row: &TaskRow) -> Self {
        let behind = row.created.since(self.now);
        Self { now: self.now + behind, lease_until: self.lease_until + behind, ..self }
    }
}

impl Engine {
    fn terms(&self) -> Terms {
        let now = self.parts.clock.now();
        Terms {
            token: LeaseToken::from_random(self.parts.entropy.next_u64()),
            now,
            lease_until: now + self.parts.policy.lease,
        }
    }

    /// Looks at the row and decides what to write and what it means.
    fn judge(&self, row: &TaskRow, terms: Terms, trace: Option<&str>) -> (Option<Change>, Verdict) {
        let terms = terms.on(row);
        let mut draft = match self.meet(row, terms.now, trace) {
            Ok(draft) => draft,
            Err(unknown) => return (None, Verdict::UnknownStatus(unknown.to_owned())),
        };
        if draft.state().status == Status::InProgress && draft.state().due <= terms.now {
            // Refused only if the state were not what was just asked.
            let _: Result<(), IllegalTransition> = self.abandon(&mut draft, row, terms.now);
        }
        let state = *draft.state();
        let verdict = match state.status {
            Status::Completed | Status::Cancelled => Verdict::Settled(state.status),
            Status::InProgress => Verdict::InProgress(state.due),
            Status::Pending if state.due > terms.now => Verdict::NotDue(state.due),
            Status::Failed => {
                let reason = draft.reason().or(row.reason.as_deref());
                Verdict::Failed(reason.unwrap_or("no reason recorded").to_owned())
            }
            Status::Pending => {
                let start = Event::Started { token: terms.token, now: terms.now, lease_until: terms.lease_until };
                match draft.apply(start, None) {
                    Ok(()) => Verdict::Run,
                    Err(_) => Verdict::NotDue(state.due),
                }
            }
        };
        (draft.finish(), verdict)
    }

    fn abandon(&self, draft: &mut Draft<'_>, row: &TaskRow, now: Timestamp) -> Result<(), IllegalTransition> {
        let attempt = draft.state().attempt;
        let (then, reason) = if row.on_abandon == OnAbandon::Fail {
            (Then::GiveUp { now }, "the lease ran out, and the work must not run twice")
        } else if attempt >= self.max_attempts(row) {
            (Then::GiveUp { now }, "the lease ran out, and no attempts are left")
        } else {
            (Then::Retry { due: now }, "the lease ran out")
        };
        draft.apply(Event::Abandoned { now, then }, Some(reason))
    }

    /// Claims what the deliveries announce.
    pub(super) async fn claim(&self, deliveries: Vec<Delivery>) -> Claims {
        let mut claims = Claims::default();
        let now = self.parts.clock.now();
        let mut announced: BTreeMap<TaskId, Vec<Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            match &delivery.subject {
                Subject::Announced(task) => announced.entry(*task).or_default().push(delivery),
                Subject::Claimed(attempt) => {
                    let attempt = attempt.clone();
                    claims.claimed.push(Claimed { attempt, deliveries: vec![delivery] });
                }
                Subject::Unreadable(reason) => {
                    self.count(Metric::MessagesRejected, now);
                    let why = Why::Unreadable(reason.clone());
                    claims.answered.push(Answered { delivery, answer: Answer::DeadLetter, why });
                }
                Subject::Withheld(reason) => {
                    let why = Why::Withheld(reason.clone());
                    let after = self.parts.policy.while_down(delivery.receive_count);
                    claims.answered.push(Answered { delivery, answer: Answer::RetryAfter(after), why });
                }
            }
        }
        if announced.is_empty() {
            return claims;
        }
        let terms = self.terms();
        let traces: BTreeMap<TaskId, Option<String>> =
            announced.iter().map(|(task, all)| (*task, all.iter().find_map(|one| one.trace.clone()))).collect();
        let trace_of = |row: &TaskRow| traces.get(&row.id).and_then(Option::as_deref);
        let select = Select::Ids(announced.keys().copied().collect());
        let decide = |row: &TaskRow| self.judge(row, terms, trace_of(row)).0;
        match self.transact(&select, &decide).await {
            Ok(seen) => {
                for (seen, change) in seen {
                    let Some(deliveries) = announced.remove(&seen.row.id) else { continue };
                    let (wanted, verdict) = self.judge(&seen.row, terms, trace_of(&seen.row));
                    if wanted.is_some() && !seen.written {
                        // Somebody came first; what became of it, the next delivery will find.
                        claims.answered.extend(self.send_back(
                            deliveries,
                            self.parts.policy.retry_delay,
                            &Why::InProgress,
                        ));
                        continue;
                    }
                    self.take(&mut claims, &seen.row, change.as_ref(), verdict, terms, deliveries);
                }
                for delivery in announced.into_values().flatten() {
                    claims.answered.push(self.missing(delivery));
                }
            }
            Err(StoreError::Refused(_)) if announced.len() > 1 => {
                // One that the database will not take must not hold up the others.
                claims.failed = true;
                for deliveries in announced.into_values() {
                    let alone = Box::pin(self.claim(deliveries)).await;
                    claims.failed &= alone.failed;
                    claims.claimed.extend(alone.claimed);
                    claims.answered.extend(alone.answered);
                    claims.unclaimed.extend(alone.unclaimed);
                }
            }
            Err(error) => {
                claims.failed = true;
                let deliveries = announced.into_values().flatten();
                match &error {
                    StoreError::Refused(_) => {
                        let why = Why::StoreRefused(error.to_string());
                        claims.answered.extend(deliveries.map(|delivery| self.not_asked(delivery, why.clone())));
                    }
                    StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                        let why = Why::StoreFailed(error.to_string());
                        claims.unclaimed.extend(deliveries.map(|delivery| (delivery, why.clone())));
                    }
                }
            }
        }
        claims
    }

    /// The answer for a delivery that the database was not, or not successfully, asked about. Ever longer, so that an outage
    /// does not use up the receives that a queue allows a message.
    pub(super) fn not_asked(&self, delivery: Delivery, why: Why) -> Answered {
        let after = self.parts.policy.while_down(delivery.receive_count);
        Answered { delivery, answer: Answer::RetryAfter(after), why }
    }

    fn take(
        &self,
        claims: &mut Claims,
        row: &TaskRow,
        change: Option<&Change>,
        verdict: Verdict,
        terms: Terms,
        deliveries: Vec<Delivery>,
    ) {
        if let Some(change) = change {
            self.tell(&change.entries);
        }
        let (answer, why) = match verdict {
            Verdict::Run => {
                let trace = deliveries.iter().find_map(|one| one.trace.clone());
                claims.claimed.push(Claimed { attempt: self.attempt(row, change, terms, trace), deliveries });
                return;
            }
            Verdict::Settled(status) => {
                for _ in &deliveries {
                    self.count(Metric::DuplicateDeliveries, terms.now);
                }
                (Answer::Acknowledge, Why::Settled(status))
            }
            Verdict::InProgress(until) => (Answer::RetryAfter(until.since(terms.now)), Why::InProgress),
            Verdict::NotDue(due) => (Answer::RetryAfter(due.since(terms.now)), Why::NotDue),
            Verdict::Failed(reason) => (Answer::DeadLetter, Why::AlreadyFailed(reason)),
            Verdict::UnknownStatus(status) => {
                for _ in &deliveries {
                    self.count(Metric::MessagesRejected, terms.now);
                }
                (Answer::DeadLetter, Why::UnknownStatus(status))
            }
        };
        claims.answered.extend(deliveries.into_iter().map(|delivery| Answered {
            delivery,
            answer: answer.clone(),
            why: why.clone(),
        }));
    }

    fn attempt(&self, row: &TaskRow, change: Option<&Change>, terms: Terms, trace: Option<String>) -> Attempt {
        let entries = change.map_or(&[][..], |change| &change.entries);
        let started = entries.last();
        // Adopted, Overwritten or Abandoned may have come right before it, and say since when it was due.
        let due = entries.iter().rev().nth(1).map_or(row.due, |before| before.due);
        self.took(Metric::TaskWait, due, terms.on(row).now);
        Attempt {
            task: row.task(),
            number: started.map_or(row.attempt, |entry| entry.attempt),
            max: self.max_attempts(row),
            created: row.created,
            token: terms.token,
            started: terms.now,
            lease_until: terms.on(row).lease_until,
            trace,
        }
    }

    fn missing(&self, delivery: Delivery) -> Answered {
        let answer = if delivery.receive_count <= self.parts.policy.missing_row_retries {
            Answer::RetryAfter(self.parts.policy.retry_delay)
        } else {
            self.count(Metric::MessagesRejected, self.parts.clock.now());
            Answer::DeadLetter
        };
        Answered { delivery, answer, why: Why::NoSuchTask }
    }

    pub(super) fn send_back(&self, deliveries: Vec<Delivery>, after: Duration, why: &Why) -> Vec<Answered> {
        deliveries
            .into_iter()
            .map(|delivery| Answered { delivery, answer: Answer::RetryAfter(after), why: why.clone() })
            .collect()
    }

    /// Claims tasks that are due, straight from the table.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    pub async fn claim_due(&self, limit: usize) -> Result<Vec<Attempt>, StoreError> {
        let terms = self.terms();
        let decide = |row: &TaskRow| self.judge(row, terms, None).0;
        let mut attempts = Vec::new();
        for (seen, change) in self.sweep(Select::Due, self.due_before(terms.now, limit), &decide).await? {
            if let Some(change) = &change {
                self.tell(&change.entries);
                if change.state.status == Status::InProgress && change.state.lease == Some(terms.token) {
                    attempts.push(self.attempt(&seen.row, Some(change), terms, None));
                }
            }
        }
        Ok(attempts)
    }

    /// Finds tasks whose worker has vanished and puts them back, or gives them up. Answers with how many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    pub async fn rescue(&self, limit: usize) -> Result<usize, StoreError> {
        let now = self.parts.clock.now();
        let decide = |row: &TaskRow| {
            let mut draft = self.meet(row, now, None).ok()?;
            if draft.state().status == Status::InProgress && draft.state().due <= now {
                self.abandon(&mut draft, row, now).ok()?;
            }
            draft.finish()
        };
        let seen = self.sweep(Select::LeaseOver, self.due_before(now, limit), &decide).await?;
        let changes: Vec<Change> = seen.into_iter().filter_map(|(_, change)| change).collect();
        for change in &changes {
            self.tell(&change.entries);
        }
        Ok(changes.len())
    }

    fn due_before(&self, now: Timestamp, limit: usize) -> DueBefore {
        DueBefore { ours: now, foreign: now.minus(self.parts.policy.adopt_after), limit }
    }
}

/// The answer for a delivery that was never looked at.
pub(super) fn given_back(delivery: Delivery) -> Answered {
    Answered { delivery, answer: Answer::RetryAfter(Duration::ZERO), why: Why::Released("shutting down".to_owned()) }
}
