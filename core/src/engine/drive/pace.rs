//! How many tasks are claimed ahead of their turn.
//!
//! A claim costs the database about the same for one task and for many. Where attempts are over in a moment, more of them
//! are claimed than can run at once; where they take their time, none.

use std::time::Duration;

use super::super::Attempt;
use super::{Alarm, Drive, Ending};
use crate::time::Timestamp;

/// How long a task that was claimed ahead waits for its turn, as attempts have been going of late.
const AHEAD: Duration = Duration::from_millis(25);

/// No claim is larger, unless so many can run at once: locks on its rows are held to its end.
const MOST: usize = 128;

/// No attempt counts as shorter.
const SHORTEST: Duration = Duration::from_micros(100);

/// After that, what has not got its turn goes back to whoever has a place for it. Sources hide what they hand over for
/// longer than twice that.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long attempts take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The longest of late: up with the first that takes longer, slowly down with those that do not. `None` before any has
    /// ended.
    attempt: Option<Duration>,
}

impl Pace {
    /// An attempt lasted from then to then. One that ended before it began tells nothing: the clock was set.
    pub(super) fn heard(&mut self, started: Timestamp, ended: Timestamp) {
        if ended >= started {
            self.took(ended.since(started));
        }
    }

    fn took(&mut self, time: Duration) {
        let before = self.attempt.unwrap_or(time);
        self.attempt = Some(time.max(before - before.saturating_sub(time) / 16));
    }

    /// How many may be claimed and not done, where so many run at once.
    pub(super) fn places(&self, concurrency: usize) -> usize {
        let Some(attempt) = self.attempt else { return concurrency };
        let rounds = AHEAD.as_nanos() / attempt.max(SHORTEST).as_nanos();
        let ahead = concurrency.saturating_mul(usize::try_from(rounds).unwrap_or(usize::MAX));
        concurrency.saturating_add(ahead).min(MOST.max(concurrency))
    }
}

impl Drive<'_> {
    /// How many tasks may be claimed and not done.
    pub(super) fn places(&self) -> usize {
        let concurrency = self.engine.parts.policy.concurrency;
        match self.hold {
            Some(hold) => hold.max(concurrency),
            None => self.pace.places(concurrency),
        }
    }

    /// Looks again when the first of those that wait has waited for long enough.
    pub(super) fn watch_turns(&mut self) {
        if self.hold.is_some() || self.watches_turns || self.ending != Ending::No {
            return;
        }
        if let Some(first) = self.waiting.front() {
            self.watches_turns = true;
            let left = (first.started + LONGEST_WAIT).since(self.now());
            self.ring(left.min(LONGEST_WAIT), Alarm::TurnOver);
        }
    }

    /// Gives back what was claimed ahead, when those before it take longer than attempts used to.
    pub(super) fn give_back_ahead(&mut self) {
        self.watches_turns = false;
        let now = self.now();
        // Where the clock was set back, nobody knows how long they have waited.
        let is_over = |first: &mut Attempt| first.started > now || now.since(first.started) >= LONGEST_WAIT;
        while self.ending == Ending::No
            && let Some(first) = self.waiting.pop_front_if(is_over)
        {
            self.untried(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_attempts_are_claimed_ahead_and_long_ones_are_not() {
        let ms = Duration::from_millis;
        let after = |times: &[Duration]| {
            let mut pace = Pace::default();
            times.iter().for_each(|time| pace.took(*time));
            [1, 16, 500].map(|concurrency| pace.places(concurrency))
        };
        assert_eq!(after(&[]), [1, 16, 500], "nobody knows yet");
        assert_eq!(after(&[Duration::ZERO]), [128, 128, 500]);
        assert_eq!(after(&[ms(1)]), [26, 128, 500]);
        assert_eq!(after(&[ms(10)]), [3, 48, 500]);
        assert_eq!(after(&[ms(26)]), [1, 16, 500]);
        assert_eq!(after(&[ms(1), ms(60_000), ms(1)]), [1, 16, 500], "one that was long counts at once");
        let mut pace = Pace::default();
        pace.heard(Timestamp::from_micros(5), Timestamp::from_micros(4));
        assert_eq!(pace.places(16), 16, "of one that ended before it began nobody knows how long it took");
        pace.took(ms(60_000));
        (0..400).for_each(|_| pace.took(ms(1)));
        assert_eq!(pace.places(1), 25, "and is forgotten in time");
    }
}
