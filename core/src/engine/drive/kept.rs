//! Deliveries that are kept while the store does not answer.

use std::time::Duration;

use futures_util::FutureExt;

use super::{Drive, Ending, Event, Intake};
use crate::delivery::{Delivery, Why};
use crate::time::Timestamp;

/// Another worker may well reach the store when this one does not: then it gets them.
const KEEP: Duration = Duration::from_secs(5 * 60);

#[derive(Default)]
pub(super) struct Kept {
    deliveries: Vec<Delivery>,
    /// How long they can be kept, also while they are being claimed once more.
    until: Option<Timestamp>,
    /// Receipts of what was lost while something was being claimed.
    lost: Vec<String>,
}

impl Drive<'_> {
    /// Keeps what could not be claimed, or sends it back. Kept, it need not be received again, which a queue counts, and is
    /// there at once when the store is.
    pub(super) fn keep(&mut self, unclaimed: Vec<(Delivery, Why)>) {
        if unclaimed.is_empty() {
            self.kept.until = None;
            return;
        }
        let now = self.now();
        let until = *self.kept.until.get_or_insert(now + KEEP);
        if self.source.keeps() && self.ending == Ending::No && now < until {
            self.kept.deliveries = unclaimed.into_iter().map(|(delivery, _)| delivery).collect();
        } else {
            self.kept.until = None;
            let engine = self.engine;
            self.answers.extend(unclaimed.into_iter().map(|(delivery, why)| engine.not_asked(delivery, why)));
        }
    }

    /// Claims what is kept; answers whether there was anything.
    pub(super) fn claim_kept(&mut self) -> bool {
        if self.kept.deliveries.is_empty() {
            return false;
        }
        self.intake = Intake::Claiming;
        let deliveries = std::mem::take(&mut self.kept.deliveries);
        self.start(self.engine.claim(deliveries).map(Event::Claimed));
        true
    }

    pub(super) fn send_back_kept(&mut self) {
        let deliveries = std::mem::take(&mut self.kept.deliveries);
        self.send_back(deliveries);
    }

    /// What is kept is not the source's any more.
    pub(super) fn lose_kept(&mut self, receipts: &[String]) {
        let (lost, kept) = std::mem::take(&mut self.kept.deliveries)
            .into_iter()
            .partition(|delivery| receipts.contains(&delivery.receipt));
        self.kept.deliveries = kept;
        // It takes its answer all the same.
        self.send_back(lost);
        if self.intake == Intake::Claiming {
            self.kept.lost.extend_from_slice(receipts);
        }
    }

    /// Once a claim is over: what was lost before it was held.
    pub(super) fn lost_meanwhile(&mut self) {
        let lost = std::mem::take(&mut self.kept.lost);
        if !lost.is_empty() {
            self.lost(&lost);
        }
    }
}
