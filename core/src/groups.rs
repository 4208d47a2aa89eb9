//! Order within groups: of each group one delivery is under way at a time, and none overtakes one that has to come again.
//!
//! For sources that promise an order, such as FIFO queues; groups run beside each other.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::delivery::{Answer, Answered, Delivery, Why};

/// Deliveries that wait for their turn.
#[derive(Debug, Default)]
pub struct Groups {
    waiting: VecDeque<Delivery>,
    /// Groups of which a delivery is under way.
    busy: BTreeSet<String>,
}

impl Groups {
    /// Queues deliveries behind those that wait already.
    pub fn push(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.waiting.extend(deliveries);
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes at most `max` whose turn it is, in order. A delivery without a group never waits for another.
    pub fn take(&mut self, max: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        let mut later = VecDeque::with_capacity(self.waiting.len());
        while let Some(delivery) = self.waiting.pop_front() {
            let is_next = taken.len() < max && delivery.group.as_ref().is_none_or(|group| !self.busy.contains(group));
            if is_next {
                self.busy.extend(delivery.group.clone());
                taken.push(delivery);
            } else {
                later.push_back(delivery);
            }
        }
        self.waiting = later;
        taken
    }

    /// Takes note of answers, and gives back those that can no longer have their turn: behind one that comes again.
    pub fn answered(&mut self, answers: &[Answered]) -> Vec<Answered> {
        let mut blocked = Vec::new();
        for Answered { delivery, answer, .. } in answers {
            let Some(group) = &delivery.group else { continue };
            self.busy.remove(group);
            if *answer == Answer::Acknowledge {
                continue;
            }
            let (behind, others): (Vec<Delivery>, _) =
                self.waiting.drain(..).partition(|waiting| waiting.group.as_ref() == Some(group));
            self.waiting = others.into();
            blocked.extend(behind.into_iter().map(|delivery| Answered {
                delivery,
                answer: Answer::RetryAfter(Duration::ZERO),
                why: Why::BehindAnother,
            }));
        }
        blocked
    }

    /// Gives up all that wait.
    pub fn drain(&mut self) -> impl Iterator<Item = Delivery> + '_ {
        self.waiting.drain(..)
    }
}
