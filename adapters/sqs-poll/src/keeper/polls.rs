//! Demand: how many messages are wanted, which polls bring them, and who gets them.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};
use taskwatch_core::ports::SourceError;
use taskwatch_sqs_message::{CallError, MAX_POLLED, Received};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::task::Id;
use tokio::time::Instant;
use tracing::debug;

use super::{Deliveries, Done, Keeper, Message, Place};
use crate::calls::Calls;

/// An empty poll keeps its receiver busy for this long at least, unless another one brings messages: a wait of 0, or a queue
/// that does not keep to it, is no tight circle.
const EMPTY: Duration = Duration::from_secs(1);

/// Between polls that fail at once; the engine makes longer pauses.
const FAILED: Duration = Duration::from_millis(100);

/// How long messages wait for those of further polls, while polls come back full: what is handed over together is claimed
/// together.
const GATHER: Duration = Duration::from_millis(5);

/// A poll that takes longer is not counted on: there are no messages, or its answer is lost, and others may bring some.
const SLOW: Duration = Duration::from_secs(5);

/// Somebody waits for messages.
pub(super) struct Demand {
    pub(super) max: usize,
    pub(super) reply: oneshot::Sender<Deliveries>,
}

/// A poll under way.
pub(super) struct UnderWay {
    /// So many messages it may bring.
    asked: usize,
    begun: Instant,
    pub(super) abort: AbortHandle,
}

/// A poll that has ended.
pub(super) struct Polled {
    begun: Instant,
    brought: Result<Vec<(Delivery, Received)>, CallError>,
}

async fn poll(calls: std::sync::Arc<Calls>, max: usize) -> Done {
    let begun = Instant::now();
    Done::Polled(Polled { begun, brought: calls.poll(max).await })
}

impl Keeper {
    /// Begins polls as long as more is wanted than those under way may bring.
    pub(super) fn poll(&mut self) {
        let Some(demand) = &self.demand else { return };
        let now = Instant::now();
        if self.ending.is_some() || self.poll_again > now {
            return;
        }
        let here = if self.gather_until.is_some() { self.here() } else { 0 };
        let max = demand.max.saturating_sub(here);
        let options = self.calls.options;
        // While polls fail, one finds out whether that is over.
        let receivers = if self.is_failing { 1 } else { options.receivers };
        self.resting.retain(|until| *until > now);
        while self.polls.len() + self.resting.len() < receivers {
            let under_way: usize = self.polls.values().map(|poll| poll.asked).sum();
            let room = options.capacity.saturating_sub(self.held.len() + self.passing + under_way);
            let quick = self.polls.values().filter(|poll| now < poll.begun + SLOW);
            let expected: usize = quick.map(|poll| poll.asked).sum();
            let asked = max.saturating_sub(expected).min(room).min(MAX_POLLED);
            if asked == 0 {
                return;
            }
            let abort = self.start(poll(self.calls.clone(), asked));
            self.polls.insert(abort.id(), UnderWay { asked, begun: now, abort });
        }
    }

    /// When the next poll turns out to be slow, while there could be more of them.
    pub(super) fn next_slow(&self) -> Option<Instant> {
        let is_short = self.demand.is_some() && self.polls.len() < self.calls.options.receivers;
        let slow_at = self.polls.values().filter(|_| is_short).map(|poll| poll.begun + SLOW);
        slow_at.filter(|at| *at > Instant::now()).min()
    }

    pub(super) fn polled(&mut self, id: Id, Polled { begun, brought }: Polled) {
        let asked = self.polls.remove(&id).map_or(0, |poll| poll.asked);
        self.is_failing = brought.is_err();
        match brought.as_ref().map_or(0, Vec::len) {
            brought if brought < asked => self.is_flowing = false,
            MAX_POLLED => self.is_flowing = true,
            // That of a small one says nothing.
            _ => {}
        }
        match brought {
            Ok(messages) if messages.is_empty() => self.resting.push(begun + EMPTY),
            Ok(messages) => {
                self.arrived(begun, messages);
                // The next poll may well bring some too.
                self.poll_again = Instant::now();
                self.resting.clear();
            }
            Err(error) => {
                self.poll_again = Instant::now() + FAILED;
                // What is here is handed over instead.
                match self.demand.take_if(|_| self.gather_until.is_none()) {
                    // Gone, if the receive was dropped.
                    Some(demand) => drop(demand.reply.send(Err(SourceError(error.to_string())))),
                    None => debug!("failed to {error}"),
                }
            }
        }
    }

    fn arrived(&mut self, begun: Instant, messages: Vec<(Delivery, Received)>) {
        let now = Instant::now();
        let options = self.calls.options;
        // SQS has answered by the end of the wait, however late it was that the answer was looked at.
        let since = now.min(begun + options.wait);
        let hidden_until = since + options.hidden;
        if hidden_until <= now {
            debug!(messages = messages.len(), "messages were looked at too late, and come again");
            return;
        }
        let due = since + options.hidden / 2;
        // Those of groups may be behind others, and are not waited for.
        self.is_flowing &= messages.iter().all(|(delivery, _)| delivery.group.is_none());
        let mut deliveries = Vec::new();
        for (delivery, received) in messages {
            let group = delivery.group.clone();
            let place = Place::Here;
            let message = Message { received, group, since, hidden_until, due, is_renewing: false, place };
            self.held.insert(delivery.receipt.clone(), message);
            deliveries.push(delivery);
        }
        self.waiting.push(deliveries);
        self.look_not_later_than(due);
        if self.ending.is_some() {
            self.give_back_waiting(|_| true);
        }
    }

    /// How many messages wait to be taken.
    fn here(&self) -> usize {
        self.held.len() - self.out
    }

    /// Whether what is here waits for more.
    fn gathers(&mut self) -> bool {
        let (here, now) = (self.here(), Instant::now());
        let is_wanted = |demand: &Demand| here > 0 && here < demand.max;
        if !self.is_flowing || self.ending.is_some() || !self.demand.as_ref().is_some_and(is_wanted) {
            self.gather_until = None;
            return false;
        }
        *self.gather_until.get_or_insert(now + GATHER) > now
    }

    /// Hands over what is there, as far as it is its turn.
    pub(super) fn hand_over(&mut self) {
        if self.gathers() {
            return;
        }
        self.gather_until = None;
        let Some(demand) = self.demand.take_if(|_| !self.waiting.is_empty()) else { return };
        if demand.reply.is_closed() {
            return;
        }
        let taken = self.waiting.take(demand.max);
        if taken.is_empty() {
            // All of them are behind others.
            self.demand = Some(demand);
            return;
        }
        for delivery in &taken {
            if let Some(message) = self.held.get_mut(&delivery.receipt) {
                message.place = Place::Out;
                self.out += 1;
            }
        }
        if let Err(Ok(Some(unwanted))) = demand.reply.send(Ok(Some(taken))) {
            // The receive was dropped in this very moment.
            self.give_back(unwanted);
        }
    }

    /// Has deliveries come again at once, and those behind them with them.
    pub(super) fn give_back(&mut self, deliveries: Vec<Delivery>) {
        let given_back = |delivery| Answered {
            delivery,
            answer: Answer::RetryAfter(Duration::ZERO),
            why: Why::Released("not needed now".to_owned()),
        };
        let answers: Vec<_> = deliveries.into_iter().map(given_back).collect();
        let behind = self.waiting.answered(&answers);
        for answered in answers.into_iter().chain(behind) {
            self.hide(answered.delivery.receipt, Duration::ZERO, None);
        }
    }

    /// Gives back those of the messages nobody has taken that pass.
    pub(super) fn give_back_waiting(&mut self, which: impl Fn(&Delivery) -> bool) {
        let all: Vec<Delivery> = self.waiting.drain().collect();
        let (back, keep): (Vec<_>, Vec<_>) = all.into_iter().partition(which);
        self.waiting.push(keep);
        self.give_back(back);
    }
}
