//! Keeps the leases of what is held, and cuts off what has lost its own.

use std::time::Duration;

use super::super::run::Cut;
use super::{Alarm, Drive, Event, Held};
use crate::ports::{Lease, StoreError};
use crate::task::TaskId;
use crate::time::Timestamp;

/// Whoever watches that this is alive need not know how long leases are.
const LONGEST_REST: Duration = Duration::from_secs(10);

impl Drive<'_> {
    /// Cuts off what ran past its lease, and renews all others once the first has used up a third of it.
    ///
    /// After a leap in time (this process or its machine stood still, or the clock was set) nothing is cut off before the
    /// store was asked: there was no chance to renew, and leases that nobody has taken over are as good as before.
    pub(super) fn look_at_leases(&mut self) {
        let now = self.now();
        let whole = self.engine.parts.policy.lease;
        let leapt = now.since(self.looked) > whole / 3;
        self.looked = now;
        if !leapt {
            self.cut_off(Cut::LeaseOver, |_, held| held.lease_until <= now);
        }
        let live = self.held.iter().filter(|(_, held)| held.cut.is_none());
        // More than a whole lease is left where the clock was put back.
        let is_due = |held: &Held| held.lease_until <= now + whole * 2 / 3 || held.lease_until > now + whole;
        if !self.extending && live.clone().any(|(_, held)| is_due(held)) {
            self.extend(live.map(|(lease, _)| *lease).collect(), now);
        }
        self.look_at_leases_later();
    }

    pub(super) fn look_at_leases_later(&self) {
        let now = self.now();
        let often = (self.engine.parts.policy.lease / 12).min(LONGEST_REST);
        let running = self.held.values().filter(|held| held.abort.is_some() && held.cut.is_none());
        // One that is over already has just been asked about.
        let ends = running.map(|held| held.lease_until.since(now)).filter(|left| !left.is_zero());
        let first_end = ends.min().unwrap_or(often);
        self.ring(often.min(first_end).max(Duration::from_millis(1)), Alarm::LookAtLeases);
    }

    fn extend(&mut self, asked: Vec<Lease>, now: Timestamp) {
        self.extending = true;
        let engine = self.engine;
        let until = now + engine.parts.policy.lease;
        self.start(async move {
            let lost = engine.parts.store.extend(&asked, until).await;
            Event::Extended { until, asked, lost }
        });
    }

    pub(super) fn extended(&mut self, until: Timestamp, asked: &[Lease], lost: Result<Vec<TaskId>, StoreError>) {
        self.extending = false;
        match lost {
            Ok(lost) => {
                self.engine.renewals.recovered(&*self.engine.parts.observer);
                for lease in asked {
                    if let Some(held) = self.held.get_mut(lease)
                        && !lost.contains(&lease.task)
                    {
                        held.lease_until = until;
                    }
                }
                // Taken over, called off, or settled in this moment: then its handler is done anyway.
                self.cut_off(Cut::LeaseOver, |lease, _| asked.contains(lease) && lost.contains(&lease.task));
            }
            // Asked again the next time the leases are looked at.
            Err(error) => self.engine.renewals.trouble(&*self.engine.parts.observer, &error.to_string()),
        }
    }

    /// Cuts off what none of its deliveries stands behind any more.
    pub(super) fn lost(&mut self, receipts: &[String]) {
        self.lose_kept(receipts);
        for held in self.held.values_mut() {
            let mine = held.deliveries.iter().filter(|delivery| receipts.contains(&delivery.receipt));
            held.lost += mine.count();
        }
        self.cut_off(Cut::DeliveryLost, |_, held| held.lost > 0 && held.lost >= held.deliveries.len());
    }

    pub(super) fn cut_off(&mut self, cut: Cut, which: impl Fn(&Lease, &Held) -> bool) {
        for (lease, held) in &mut self.held {
            if held.cut.is_none() && which(lease, held) {
                // What has ended by itself keeps its result, but its lease is no longer renewed.
                held.cut = Some(cut);
                if let Some(abort) = &held.abort {
                    abort.abort();
                }
            }
        }
    }
}
