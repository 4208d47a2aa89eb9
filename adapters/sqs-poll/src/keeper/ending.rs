//! The end: nothing new is begun, what nobody has taken goes back, and what is under way is waited for.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Keeper, Place};

impl Keeper {
    pub(super) fn stop(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Instant::now());
            self.give_back_waiting(|_| true);
        }
    }

    /// Ends it for good: what has not been answered by now will not be.
    pub(super) fn close(&mut self, reply: oneshot::Sender<()>) {
        self.stop();
        self.closing = Some(reply);
        let out = self.held.iter().filter(|(_, message)| message.place != Place::Here);
        let out: Vec<String> = out.map(|(receipt, _)| receipt.clone()).collect();
        for receipt in out {
            self.hide(receipt, std::time::Duration::ZERO, None);
        }
    }

    /// How long polls may go on for.
    pub(super) fn end_of_grace(&self) -> Option<Instant> {
        let begun = self.ending.filter(|_| !self.polls.is_empty() && self.out == 0)?;
        Some(begun + self.calls.options.grace)
    }

    /// Says that there will be no more once there cannot be; whether this is the end.
    pub(super) fn end(&mut self) -> bool {
        if self.ending.is_none() {
            return false;
        }
        if self.end_of_grace().is_some_and(|end| end <= Instant::now()) {
            self.polls.drain().for_each(|(_, poll)| poll.abort.abort());
        }
        if !self.polls.is_empty() || !self.has_passed_on() || !self.under_way.is_empty() {
            return false;
        }
        if let Some(demand) = self.demand.take() {
            // Gone, if the receive was dropped.
            let _ = demand.reply.send(Ok(None));
        }
        // An error says that nobody waits for it.
        self.closing.take().map(|reply| reply.send(())).is_some()
    }
}
