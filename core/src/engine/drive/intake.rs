//! Receives deliveries, claims their tasks and starts their handlers.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::AbortHandle;

use super::super::Attempt;
use super::super::claim::{Claimed, Claims, given_back};
use super::super::run::{Cut, Ended, Finished};
use super::{Alarm, Drive, Ending, Event, Held, Intake};
use crate::delivery::{Delivery, Subject};
use crate::ports::SourceError;

/// Nobody notices it.
const MOMENT: Duration = Duration::from_millis(1);

impl Drive<'_> {
    pub(super) fn receive(&mut self) {
        let places = self.places();
        let free = places.saturating_sub(self.running + self.waiting.len());
        // Results that cannot be written must not pile up.
        let choked = self.finished.len() + self.held_up.len() > places || self.settle_pause.on;
        if free == 0 || choked || self.intake_pause.on || self.handler_pause.on || self.ending != Ending::No {
            return;
        }
        if self.intake == Intake::Idle && self.claim_kept() {
            return;
        }
        // One is enough to find out whether what does the work can be reached again.
        let free = if self.handling.is_bad() { 1 } else { free };
        let could_gather = free < places && !self.handling.is_bad();
        match self.intake {
            Intake::Idle if could_gather => {
                self.intake = Intake::Gathering;
                // Short attempts are over in a moment, and then a whole claim is asked for; for long ones it is longer.
                let few = free < places / 4;
                self.ring(if few { self.engine.parts.policy.linger.max(MOMENT) } else { MOMENT }, Alarm::Gathered);
            }
            Intake::Gathering if could_gather => {}
            Intake::Idle | Intake::Gathering | Intake::Gathered => {
                self.intake = Intake::Receiving;
                self.start(self.source.receive(free).map(Event::Received));
            }
            Intake::Resting | Intake::Receiving | Intake::Claiming | Intake::Ended => {}
        }
    }

    /// A source ought to have waited by itself; one that has not does not turn this into a tight circle.
    fn rest(&mut self) {
        self.intake = Intake::Resting;
        self.ring(self.engine.parts.policy.linger.max(MOMENT), Alarm::Gathered);
    }

    pub(super) fn received(&mut self, received: Result<Option<Vec<Delivery>>, SourceError>) {
        self.intake = Intake::Idle;
        match received {
            Ok(None) => self.intake = Intake::Ended,
            Ok(Some(deliveries)) => {
                self.receiving.recovered(&*self.engine.parts.observer);
                if self.ending != Ending::No {
                    self.send_back(deliveries);
                } else if deliveries.is_empty() {
                    self.rest();
                } else {
                    self.intake = Intake::Claiming;
                    self.start(self.engine.claim(deliveries).map(Event::Claimed));
                }
            }
            Err(error) => {
                self.receiving.trouble(&*self.engine.parts.observer, &error.to_string());
                self.pause_intake();
            }
        }
    }

    /// What came too late: unclaimed deliveries go back as they are, claimed ones are released.
    pub(super) fn send_back(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            match &delivery.subject {
                Subject::Claimed(attempt) => {
                    let attempt = attempt.clone();
                    self.give_up_untried(Claimed { attempt, deliveries: vec![delivery] });
                }
                Subject::Announced(_) | Subject::Unreadable(_) | Subject::Withheld(_) => {
                    self.answers.push(given_back(delivery));
                }
            }
        }
    }

    fn give_up_untried(&mut self, claimed: Claimed) {
        let attempt = self.hold(claimed);
        self.untried(attempt);
    }

    fn hold(&mut self, claimed: Claimed) -> Attempt {
        let Claimed { attempt, deliveries } = claimed;
        let held = Held { deliveries, lost: 0, lease_until: attempt.lease_until, abort: None, cut: None };
        self.held.insert(attempt.lease(), held);
        attempt
    }

    pub(super) fn untried(&mut self, attempt: Attempt) {
        self.finished.push(Finished { attempt, ended: Ended::CutOff(Cut::Untried), at: self.now() });
    }

    pub(super) fn claimed(&mut self, claims: Claims) {
        self.intake = Intake::Idle;
        if claims.failed {
            self.pause_intake();
        } else {
            self.intake_pause.failures = 0;
        }
        self.answers.extend(claims.answered);
        self.keep(claims.unclaimed);
        let now = self.now();
        for claimed in claims.claimed {
            if self.ending == Ending::No && claimed.attempt.lease_until > now {
                // An earlier attempt of the same task, whose lease cannot be good any more.
                let task = claimed.attempt.task.id;
                self.cut_off(Cut::LeaseOver, |lease, _| lease.task == task);
                let attempt = self.hold(claimed);
                self.waiting.push_back(attempt);
            } else {
                self.give_up_untried(claimed);
            }
        }
        self.lost_meanwhile();
    }

    /// Starts handlers for those that wait, as far as there are free places.
    pub(super) fn begin_waiting(&mut self) {
        while self.running < self.engine.parts.policy.concurrency {
            let Some(attempt) = self.waiting.pop_front() else { return };
            match self.held.get(&attempt.lease()) {
                Some(held) if held.cut.is_none() => self.begin(attempt),
                // Its lease was lost while it waited.
                Some(_) | None => self.untried(attempt),
            }
        }
    }

    fn begin(&mut self, mut attempt: Attempt) {
        // It may have waited for its turn.
        attempt.started = self.now();
        let (abort, registration) = AbortHandle::new_pair();
        if let Some(held) = self.held.get_mut(&attempt.lease()) {
            held.abort = Some(abort);
        }
        self.running += 1;
        let engine = self.engine;
        self.start(async move {
            let ended = engine.run(&attempt, registration).await;
            let at = engine.parts.clock.now();
            Event::Ran { attempt, ended, at }
        });
    }

    /// Takes note of whether what does the work could be started or reached.
    pub(super) fn handled(&mut self, ended: &Ended) {
        let observer = &*self.engine.parts.observer;
        match (ended.is_not_begun(), ended) {
            (Some(reason), _) => {
                self.handling.trouble(observer, reason);
                // Those behind it would fare the same.
                while let Some(attempt) = self.waiting.pop_front() {
                    self.untried(attempt);
                }
                if !self.handler_pause.on {
                    let delay = self.handler_pause.begin(self.engine);
                    self.ring(delay, Alarm::HandlerPauseOver);
                }
            }
            (None, Ended::CutOff(_)) => {}
            (None, _) => {
                self.handler_pause.failures = 0;
                self.handling.recovered(observer);
            }
        }
    }

    fn pause_intake(&mut self) {
        let delay = self.intake_pause.begin(self.engine);
        self.ring(delay, Alarm::IntakePauseOver);
    }
}
