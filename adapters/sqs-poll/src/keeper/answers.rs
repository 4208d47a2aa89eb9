//! Answers: what becomes of each message, gathered into calls.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Why};
use taskwatch_sqs_message::comes_again_after;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Done, Keeper, Place};
use crate::calls::Letter;

/// Most messages of one call: the limit of SQS.
const FULL: usize = 10;

/// What waits for a call.
pub(super) struct Gathered<T> {
    all: Vec<T>,
    /// When the first of them has waited long enough.
    until: Option<Instant>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { all: Vec::new(), until: None }
    }
}

impl<T> Gathered<T> {
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn push(&mut self, one: T, linger: Duration) {
        self.until.get_or_insert_with(|| Instant::now() + linger);
        self.all.push(one);
    }

    /// Takes what is for one call: ten, or all where no others are worth waiting for.
    fn take(&mut self, now: Instant, is_alone: bool) -> Option<Vec<T>> {
        if self.all.len() >= FULL {
            let rest = self.all.split_off(FULL);
            return Some(std::mem::replace(&mut self.all, rest));
        }
        if self.all.is_empty() || !(is_alone || self.until.is_some_and(|until| until <= now)) {
            self.until = self.until.filter(|_| !self.all.is_empty());
            return None;
        }
        self.until = None;
        Some(std::mem::take(&mut self.all))
    }
}

impl Keeper {
    pub(super) fn answered(&mut self, answers: Vec<Answered>, failures: &mpsc::UnboundedSender<String>) {
        let behind = self.waiting.answered(&answers);
        for answered in answers.into_iter().chain(behind) {
            match answered.answer {
                Answer::Acknowledge => self.delete(answered.delivery.receipt, failures),
                Answer::RetryAfter(after) => match self.delay(&answered, after) {
                    Some(delay) => self.hide(answered.delivery.receipt, delay, Some(failures)),
                    None => drop(self.take(answered.delivery.receipt, None)),
                },
                Answer::DeadLetter => self.bury(answered, failures),
            }
        }
    }

    /// When a message is to come again; `None` leaves that to the end of its visibility.
    fn delay(&self, answered: &Answered, after: Duration) -> Option<Duration> {
        match answered.why {
            Why::BehindAnother => Some(Duration::ZERO),
            // For the next worker.
            Why::Released(_) if self.ending.is_some() => Some(after),
            _ if !self.calls.options.visibility => None,
            _ => Some(comes_again_after(answered).unwrap_or(after.max(self.calls.options.hidden))),
        }
    }

    fn delete(&mut self, receipt: String, failures: &mpsc::UnboundedSender<String>) {
        // Lost or not: its task is settled.
        if let Some((entry, _)) = self.take(receipt, Some(failures)) {
            self.deletes.push(entry, self.calls.options.linger);
        }
    }

    pub(super) fn hide(&mut self, receipt: String, after: Duration, failures: Option<&mpsc::UnboundedSender<String>>) {
        // One that was lost is left to whoever has it now.
        if let Some((entry, Place::Here | Place::Out)) = self.take(receipt, failures) {
            self.hides.push((after, entry), self.calls.options.linger);
        }
    }

    fn bury(&mut self, answered: Answered, failures: &mpsc::UnboundedSender<String>) {
        let (task, why) = (answered.delivery.task(), answered.why.to_string());
        if let Some((entry, Place::Here | Place::Out)) = self.take(answered.delivery.receipt, Some(failures)) {
            self.letters.push(Letter { entry, task, why }, self.calls.options.linger);
        }
    }

    /// Makes the calls that are full, or that nothing is worth waiting for.
    pub(super) fn pass_on(&mut self) {
        let (now, is_alone) = (Instant::now(), self.out == 0);
        while let Some(entries) = self.deletes.take(now, is_alone) {
            let (calls, count) = (self.calls.clone(), entries.len());
            self.passing += count;
            self.start(async move {
                calls.delete(entries).await;
                Done::Passed(count)
            });
        }
        while let Some(messages) = self.hides.take(now, is_alone) {
            let (calls, count) = (self.calls.clone(), messages.len());
            self.passing += count;
            self.start(async move {
                calls.hide(messages).await;
                Done::Passed(count)
            });
        }
        while let Some(letters) = self.letters.take(now, is_alone) {
            let (calls, count) = (self.calls.clone(), letters.len());
            self.passing += count;
            self.start(async move {
                calls.bury(letters).await;
                Done::Passed(count)
            });
        }
    }

    /// Whether nothing waits for a call.
    pub(super) fn has_passed_on(&self) -> bool {
        self.deletes.is_empty() && self.hides.is_empty() && self.letters.is_empty()
    }
}
