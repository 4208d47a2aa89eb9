//! Writes results and answers deliveries.

use std::collections::BTreeMap;

use futures_util::FutureExt;

use super::super::Attempt;
use super::super::run::{Cut, Ended, Finished};
use super::super::settle::{Settled, Settlement};
use super::{Alarm, Drive, Ending, Event, Intake, Linger};
use crate::delivery::{Answer, Answered, Why};
use crate::ports::{Failure, FailureKind, Lease, StoreError};
use crate::time::Timestamp;

impl Drive<'_> {
    pub(super) fn ran(&mut self, attempt: Attempt, ended: Option<Ended>, at: Timestamp) {
        self.running -= 1;
        let held = self.held.get_mut(&attempt.lease());
        let cut = held.and_then(|held| {
            held.abort = None;
            held.cut
        });
        let ended = ended.unwrap_or_else(|| Ended::CutOff(cut.unwrap_or(Cut::Shutdown)));
        let ended = match ended {
            // Whoever waits for the answer is not to wait until it can be reached, which may be never.
            Ended::Failed(Failure { kind: FailureKind::NotBegun, reason }) if !self.source.keeps() => {
                Ended::Failed(Failure::retry(reason))
            }
            other => other,
        };
        self.handled(&ended);
        if ended.is_not_begun().is_none() {
            self.pace.heard(attempt.started, at);
        }
        self.finished.push(Finished { attempt, ended, at });
    }

    pub(super) fn settle(&mut self) {
        let policy = &self.engine.parts.policy;
        if self.finished.is_empty() || self.settling || self.settle_pause.on {
            return;
        }
        let all = self.running == 0 && self.waiting.is_empty();
        let enough = all || self.finished.len() >= self.places() || self.linger == Linger::Over;
        if !enough {
            if self.linger == Linger::No {
                self.linger = Linger::Waiting;
                self.ring(policy.linger, Alarm::Lingered);
            }
            return;
        }
        // An alarm that has not rung yet will find fewer to wait for, which does no harm.
        self.linger = Linger::No;
        self.settling = true;
        let now = if self.one_by_one > 0 {
            self.one_by_one -= 1;
            vec![self.finished.swap_remove(0)]
        } else {
            distinct(&mut self.finished)
        };
        self.start(self.engine.settle(now).map(Event::Settled));
    }

    pub(super) fn settled(&mut self, settled: Settlement) {
        self.settling = false;
        match settled {
            Ok(settled) => {
                self.settle_pause.failures = 0;
                self.written(settled);
            }
            // One that the database will not take must not hold up the others.
            Err((finished, StoreError::Refused(_))) if finished.len() > 1 => {
                self.one_by_one = finished.len();
                self.finished.splice(0..0, finished);
            }
            Err((finished, StoreError::Refused(reason))) => {
                let (delay, why) = (self.engine.parts.policy.retry_delay, Why::StoreRefused(reason));
                for one in finished {
                    self.let_go(one.attempt.lease(), &Answer::RetryAfter(delay), &why);
                }
            }
            Err((finished, error)) => self.settle_again(finished, error.to_string()),
        }
    }

    fn written(&mut self, settled: Settled) {
        for (finished, answer, why) in settled.answered {
            if finished.ended.is_not_begun().is_some() {
                self.let_go_for_longer(finished.attempt.lease(), &answer, &why);
            } else {
                self.let_go(finished.attempt.lease(), &answer, &why);
            }
        }
        if !settled.held_up.is_empty() {
            let kept = self.worth_keeping(settled.held_up, "the row is locked by somebody else".to_owned());
            self.held_up.extend(kept);
            if !self.held_up_pause.on {
                let delay = self.held_up_pause.begin(self.engine);
                self.ring(delay, Alarm::HeldUpPauseOver);
            }
        }
    }

    /// Results whose rows were locked are written by themselves: each time the store waits a while for them.
    pub(super) fn settle_held_up(&mut self) {
        if self.held_up.is_empty() || self.settling_held_up || self.held_up_pause.on {
            return;
        }
        self.settling_held_up = true;
        let now = distinct(&mut self.held_up);
        self.start(self.engine.settle(now).map(Event::SettledHeldUp));
    }

    pub(super) fn settled_held_up(&mut self, settled: Settlement) {
        self.settling_held_up = false;
        match settled {
            Ok(settled) => {
                if settled.held_up.is_empty() {
                    self.held_up_pause.failures = 0;
                }
                self.written(settled);
            }
            // It is not the locks any more.
            Err((finished, _)) => self.finished.extend(finished),
        }
    }

    fn settle_again(&mut self, finished: Vec<Finished>, why: String) {
        let kept = self.worth_keeping(finished, why);
        self.finished.extend(kept);
        let delay = self.settle_pause.begin(self.engine);
        self.ring(delay, Alarm::SettlePauseOver);
    }

    /// A result is worth keeping: perhaps nobody has taken the task over. Once this drive has to end, it is kept as long
    /// as nobody can have.
    fn worth_keeping(&mut self, finished: Vec<Finished>, why: String) -> Vec<Finished> {
        let (now, why) = (self.now(), Why::StoreFailed(why));
        let mut kept = Vec::new();
        let ending = self.intake == Intake::Ended || self.ending != Ending::No;
        for one in finished {
            let lease = one.attempt.lease();
            let over = self.held.get(&lease).is_none_or(|held| held.lease_until <= now);
            if matches!(self.ending, Ending::Drained | Ending::Over) || (ending && over) {
                self.let_go(lease, &Answer::RetryAfter(self.engine.parts.policy.retry_delay), &why);
            } else {
                kept.push(one);
            }
        }
        kept
    }

    /// Answers every delivery of the attempt, and forgets it.
    fn let_go(&mut self, lease: Lease, answer: &Answer, why: &Why) {
        let deliveries = self.held.remove(&lease).map(|held| held.deliveries).unwrap_or_default();
        self.answers.extend(deliveries.into_iter().map(|delivery| Answered {
            delivery,
            answer: answer.clone(),
            why: why.clone(),
        }));
    }

    /// The same, and ever longer for a delivery that comes again and again: it costs a receive, which a queue counts.
    fn let_go_for_longer(&mut self, lease: Lease, answer: &Answer, why: &Why) {
        let before = self.answers.len();
        self.let_go(lease, answer, why);
        let policy = &self.engine.parts.policy;
        for answered in &mut self.answers[before..] {
            if let Answer::RetryAfter(after) = &mut answered.answer {
                *after = policy.while_down(answered.delivery.receive_count).max(*after);
            }
        }
    }

    /// The last resort at the end: what could not be settled comes again.
    pub(super) fn let_all_go(&mut self) {
        let answer = Answer::RetryAfter(self.engine.parts.policy.retry_delay);
        let why = Why::StoreFailed("no answer from the database before the shutdown".to_owned());
        for lease in self.held.keys().copied().collect::<Vec<_>>() {
            self.let_go(lease, &answer, &why);
        }
    }

    pub(super) fn answer(&mut self) {
        if !self.answers.is_empty() {
            let answers = std::mem::take(&mut self.answers);
            self.answering += 1;
            self.start(self.source.answer(answers).map(Event::Answered));
        }
    }
}

/// Takes out at most one result of each task. There can be two where a lease was lost and taken anew by this very engine.
fn distinct(finished: &mut Vec<Finished>) -> Vec<Finished> {
    let (mut now, mut later) = (BTreeMap::new(), Vec::new());
    for one in finished.drain(..) {
        if let Some(other) = now.insert(one.attempt.task.id, one) {
            later.push(other);
        }
    }
    *finished = later;
    now.into_values().collect()
}
