//! The numbers of a source.

use std::time::Duration;

/// No message is hidden for longer: the limit of SQS, counted from its receive.
pub(crate) const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// Time for a renewal to be tried a few times.
const SHORTEST_HIDDEN: Duration = Duration::from_secs(2);

/// Longest wait that SQS takes.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How a queue is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many polls are under way at the same time.
    pub receivers: usize,
    /// How long SQS may hold a poll open while there are no messages, in whole seconds up to 20. An empty poll counts for
    /// a second at least, so that even 0 makes no tight circle.
    pub wait: Duration,
    /// How long a message is hidden at a time, in whole seconds, 2 s to 12 h; it is renewed at half of that.
    pub hidden: Duration,
    /// How many messages are held at most: with the engine, waiting for their turn in a FIFO queue, or in calls that delete
    /// or hide them, which may take long. Below the engine's concurrency it takes the place of that.
    pub capacity: usize,
    /// How long an answer waits for others to share its call, as long as others may come.
    pub linger: Duration,
    /// Whether a message comes again when the engine says. If not, when its time is over. Renewals are made either way.
    pub visibility: bool,
    /// Whether dead letters are sent to the dead-letter queue. If not, the queue's redrive policy takes them.
    pub dead_letters: bool,
    /// How long polls that are under way when the stop is set may go on for, when nothing else is.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receivers: 2,
            wait: LONGEST_WAIT,
            hidden: Duration::from_secs(60),
            capacity: 1000,
            linger: Duration::from_millis(20),
            visibility: true,
            dead_letters: true,
            grace: Duration::from_secs(2),
        }
    }
}

/// Numbers that cannot work: phrased to follow «failed to».
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// Nothing would ever come.
    #[error("poll with no receivers: at least 1 is needed")]
    NoReceivers,
    /// Nothing could be held.
    #[error("poll with a capacity of 0: at least 1 is needed")]
    NoCapacity,
    /// SQS would refuse it.
    #[error("poll with a wait of {0:?}: SQS waits for 20 s at most")]
    Wait(Duration),
    /// Too short to be renewed in time, or longer than SQS hides a message.
    #[error("hide messages for {0:?}: it must lie between 2 s and 12 h")]
    Hidden(Duration),
}

impl Options {
    /// Refuses numbers that cannot work, and drops fractions of seconds where SQS knows none.
    pub(crate) fn checked(self) -> Result<Self, InvalidOptions> {
        let Self { receivers, wait, hidden, capacity, .. } = self;
        if receivers == 0 {
            return Err(InvalidOptions::NoReceivers);
        }
        if capacity == 0 {
            return Err(InvalidOptions::NoCapacity);
        }
        if wait > LONGEST_WAIT {
            return Err(InvalidOptions::Wait(wait));
        }
        if !(SHORTEST_HIDDEN..=LONGEST_HIDDEN).contains(&hidden) {
            return Err(InvalidOptions::Hidden(hidden));
        }
        let whole = |time: Duration| Duration::from_secs(time.as_secs());
        Ok(Self { wait: whole(wait), hidden: whole(hidden), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_work_are_refused() {
        let (good, second) = (Options::default(), Duration::from_secs(1));
        assert_eq!(good.checked(), Ok(good));
        assert_eq!(Options { receivers: 0, ..good }.checked(), Err(InvalidOptions::NoReceivers));
        assert_eq!(Options { capacity: 0, ..good }.checked(), Err(InvalidOptions::NoCapacity));
        assert_eq!(Options { wait: second * 21, ..good }.checked(), Err(InvalidOptions::Wait(second * 21)));
        assert_eq!(Options { hidden: second, ..good }.checked(), Err(InvalidOptions::Hidden(second)));
        let long = LONGEST_HIDDEN + second;
        assert_eq!(Options { hidden: long, ..good }.checked(), Err(InvalidOptions::Hidden(long)));
        let odd = Options { hidden: second * 5 / 2, wait: second * 3 / 2, ..good };
        assert_eq!(odd.checked(), Ok(Options { hidden: second * 2, wait: second, ..good }));
    }
}
