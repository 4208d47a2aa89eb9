//! Visibility: every message that is held is hidden anew in good time, and told as lost when that cannot be done.
//!
//! A renewal under way may come after the delay of a message that is answered meanwhile, and undo it: such a message comes
//! again when the renewed time is over.

use std::collections::HashSet;
use std::time::Duration;

use taskwatch_sqs_message::{CallError, Hide};
use tokio::time::Instant;
use tracing::debug;

use super::{Done, Keeper, Message, Place};
use crate::options::LONGEST_HIDDEN;

/// What seconds are rounded by, on the way to SQS.
const ROUNDING: Duration = Duration::from_secs(1);

/// A renewal that has ended.
pub(super) struct Renewed {
    begun: Instant,
    asked: Vec<(String, Duration)>,
    outcomes: Vec<Result<(), CallError>>,
}

impl Message {
    /// For how long it can be hidden from now on.
    fn renewable(&self, now: Instant, hidden: Duration) -> Duration {
        hidden.min(LONGEST_HIDDEN.saturating_sub(now - self.since + ROUNDING))
    }

    fn look_at(&self) -> Option<Instant> {
        match self.place {
            Place::Lost => None,
            Place::Here | Place::Out if self.is_renewing => Some(self.hidden_until),
            Place::Here | Place::Out => Some(self.due.min(self.hidden_until)),
        }
    }
}

impl Keeper {
    pub(super) fn look_not_later_than(&mut self, at: Instant) {
        self.look_again = Some(self.look_again.map_or(at, |again| again.min(at)));
    }

    /// Renews what is due, gives back what waits in vain, and tells of what is lost.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if self.look_again.is_none_or(|at| at > now) {
            return;
        }
        self.lose(now);
        self.give_up_waiting(now);
        self.renew(now);
        self.look_again = self.held.values().filter_map(Message::look_at).min();
    }

    /// Those whose time is over.
    fn lose(&mut self, now: Instant) {
        let is_over = |message: &Message| message.place != Place::Lost && message.hidden_until <= now;
        let over: Vec<String> =
            self.held.iter().filter(|(_, message)| is_over(message)).map(|(receipt, _)| receipt.clone()).collect();
        self.lost(over);
    }

    fn lost(&mut self, receipts: Vec<String>) {
        let (mut here, mut groups, mut out) = (HashSet::new(), HashSet::new(), Vec::new());
        for receipt in receipts {
            match self.held.get_mut(&receipt) {
                Some(message) if message.place == Place::Out => {
                    message.place = Place::Lost;
                    out.push(receipt);
                }
                Some(message) if message.place == Place::Here => {
                    groups.extend(self.held.remove(&receipt).and_then(|message| message.group));
                    here.insert(receipt);
                }
                Some(_) | None => {}
            }
        }
        if !here.is_empty() {
            debug!(messages = here.len(), "lost while they waited");
            let waiting: Vec<_> = self.waiting.drain().collect();
            self.waiting.push(waiting.into_iter().filter(|delivery| !here.contains(&delivery.receipt)));
            // None overtakes one that has to come again.
            self.give_back_waiting(|delivery| delivery.group.as_ref().is_some_and(|group| groups.contains(group)));
        }
        if !out.is_empty() {
            // Without a handle, nobody is left to hear of it.
            let _ = self.losses.send(out);
        }
    }

    /// Those that have used up half of their time though it was their turn, and what is behind them.
    fn give_up_waiting(&mut self, now: Instant) {
        let is_here = |message: &&Message| message.place == Place::Here;
        let busy: HashSet<&str> = self
            .held
            .values()
            .filter(|message| !is_here(message))
            .filter_map(|message| message.group.as_deref())
            .collect();
        let is_free = |message: &Message| message.group.as_deref().is_none_or(|group| !busy.contains(group));
        let in_vain = |message: &&Message| message.due <= now && is_free(message);
        let given_up: Vec<&Message> = self.held.values().filter(is_here).filter(in_vain).collect();
        if given_up.is_empty() {
            return;
        }
        let groups: HashSet<Option<String>> = given_up.into_iter().map(|message| message.group.clone()).collect();
        let due: HashSet<String> = self
            .held
            .iter()
            .filter(|(_, message)| message.place == Place::Here)
            .filter(|(_, message)| message.due <= now || message.group.is_some())
            .filter(|(_, message)| groups.contains(&message.group))
            .map(|(receipt, _)| receipt.clone())
            .collect();
        self.give_back_waiting(|delivery| due.contains(&delivery.receipt));
    }

    /// Together with those that are nearly due, so that calls are full.
    fn renew(&mut self, now: Instant) {
        let hidden = self.calls.options.hidden;
        let soon = now + hidden / 8;
        let is_due = |message: &Message| message.place != Place::Lost && !message.is_renewing && message.due <= now;
        if !self.held.values().any(is_due) {
            return;
        }
        let (mut asked, mut hides) = (Vec::new(), Vec::new());
        for (receipt, message) in &mut self.held {
            if message.place == Place::Lost || message.is_renewing || message.due > soon {
                continue;
            }
            let hidden_for = message.renewable(now, hidden);
            if now + hidden_for <= message.hidden_until {
                // Nothing can be gained any more: it is lost when its time is over.
                message.due = message.hidden_until;
                continue;
            }
            message.is_renewing = true;
            hides.push(Hide { receipt_handle: receipt.clone(), hidden_for, held: now - message.since });
            asked.push((receipt.clone(), hidden_for));
        }
        if hides.is_empty() {
            return;
        }
        let calls = self.calls.clone();
        self.start(async move {
            let outcomes = calls.renew(&hides).await;
            Done::Renewed(Renewed { begun: now, asked, outcomes })
        });
    }

    pub(super) fn renewed(&mut self, Renewed { begun, asked, outcomes }: Renewed) {
        let now = Instant::now();
        let hidden = self.calls.options.hidden;
        let mut lost = Vec::new();
        for ((receipt, hidden_for), outcome) in asked.into_iter().zip(outcomes) {
            let Some(message) = self.held.get_mut(&receipt) else { continue };
            message.is_renewing = false;
            match outcome {
                Ok(()) if message.place != Place::Lost => {
                    message.hidden_until = begun + hidden_for;
                    message.due = begun + hidden_for / 2;
                }
                Ok(()) => {}
                // Nobody has it here any more, whatever is tried.
                Err(CallError::Refused { why, .. }) => {
                    debug!("a message is lost: {why}");
                    lost.push(receipt);
                    continue;
                }
                Err(_) => message.due = now + hidden / 16,
            }
            if let Some(at) = message.look_at() {
                self.look_not_later_than(at);
            }
        }
        self.lost(lost);
    }
}
