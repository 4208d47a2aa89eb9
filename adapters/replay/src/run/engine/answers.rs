//! What the engine answers, and what that means for a letter.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};

use super::{Begun, JournalSource, State};
use crate::journal::{EntryNumber, Outcome, Settlement};
use crate::run::told::{Fate, Told};

impl JournalSource<'_> {
    /// Leaves it in the journal, free.
    pub(super) fn give_back(&self, state: &mut State, delivery: &Delivery, why: &Why, after: Option<Duration>) {
        let Some((number, begun)) = taken(state, delivery) else { return };
        let words = why.to_string();
        let fate = match why {
            Why::NoSuchTask | Why::UnknownStatus(_) | Why::AlreadyFailed(_) | Why::StoreRefused(_) => {
                Fate::Left(words.clone())
            }
            _ => Fate::Later(words.clone(), after),
        };
        self.listener.told(&Told { fate, ..begun.told });
        state.releases.push((number, words));
    }

    fn settled(&self, state: &mut State, delivery: &Delivery, outcome: Outcome, fate: Fate) {
        let Some((entry, begun)) = taken(state, delivery) else { return };
        let why = fate.to_string();
        self.listener.told(&Told { fate, ..begun.told });
        state.settlements.push(Settlement { entry, outcome, why });
        state.turns.done(delivery.group.as_deref());
    }

    /// It comes again in this run, if that is soon enough.
    fn again(&self, state: &mut State, delivery: Delivery, wait: Duration, why: &Why) {
        let patience = self.order.patience;
        let begun = delivery.receipt.parse().ok().and_then(|number: i64| state.begun.get_mut(&number.into()));
        let may_wait = begun.is_some_and(|begun| {
            begun.waited = begun.waited.saturating_add(wait);
            begun.waited <= patience
        });
        if may_wait && !state.gives_up && !self.stop.is_set() {
            state.turns.again(delivery, self.now() + wait);
        } else {
            self.for_later(state, &delivery, why, Some(wait));
        }
    }

    /// It comes again in another run, and nobody behind it overtakes it.
    fn for_later(&self, state: &mut State, delivery: &Delivery, why: &Why, after: Option<Duration>) {
        let behind = state.turns.block(delivery.group.as_deref());
        self.give_back(state, delivery, why, after);
        for one in behind {
            self.give_back(state, &one, &Why::BehindAnother, None);
        }
    }

    pub(super) fn take(&self, answered: Answered) {
        let Answered { delivery, answer, why } = answered;
        let mut state = self.state();
        if matches!(why, Why::StoreFailed(_) | Why::StoreRefused(_)) {
            self.without_database.fetch_add(1, Ordering::Relaxed);
        }
        match (&why, &answer) {
            // Most likely it is so for all letters, each of which would wait for as long.
            (Why::Released(_), Answer::RetryAfter(wait)) if !wait.is_zero() => {
                let now = self.now();
                let since = *state.unreached_since.get_or_insert(now);
                state.gives_up |= now.since(since) > self.order.patience;
            }
            (Why::Completed | Why::Dead(_) | Why::WillRetry(_), _) => state.unreached_since = None,
            _ => {}
        }
        match (&why, &answer) {
            (Why::Completed, _) => self.settled(&mut state, &delivery, Outcome::Completed, Fate::Completed),
            (Why::Dead(reason), _) => {
                let fate = Fate::Failed(reason.clone());
                self.settled(&mut state, &delivery, Outcome::Failed, fate);
            }
            (Why::Settled(_), _) => {
                let fate = Fate::Dropped(why.to_string());
                self.settled(&mut state, &delivery, Outcome::Dropped, fate);
            }
            // What was given back untried as well: what does the work could not be reached, or it waited for too long.
            (
                Why::WillRetry(_) | Why::NotDue | Why::InProgress | Why::StaleLease | Why::Released(_),
                Answer::RetryAfter(wait),
            ) => self.again(&mut state, delivery, *wait, &why),
            (Why::StoreFailed(_), _) => self.for_later(&mut state, &delivery, &why, None),
            _ => {
                self.give_back(&mut state, &delivery, &why, None);
                state.turns.done(delivery.group.as_deref());
            }
        }
    }
}

fn taken(state: &mut State, delivery: &Delivery) -> Option<(EntryNumber, Begun)> {
    let number = EntryNumber::from(delivery.receipt.parse::<i64>().ok()?);
    Some((number, state.begun.remove(&number)?))
}
