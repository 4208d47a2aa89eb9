//! When a message is to come again: the same for every consumer of a queue.

use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Why};

/// Longest delay that grows with the receives of a message.
const GROWN: Duration = Duration::from_secs(15 * 60);

/// When a message is to come again, if that is for the engine to say; otherwise the time counts for which messages of
/// its queue are hidden anyway. Every receive counts toward the queue's `maxReceiveCount`, so that not every delay is
/// passed on.
///
/// `None` for whatever does not come again, and for what is behind another in its group: the head of the group decides.
#[must_use]
pub fn comes_again_after(Answered { delivery, answer, why }: &Answered) -> Option<Duration> {
    let Answer::RetryAfter(after) = answer else { return None };
    match why {
        Why::WillRetry(_) | Why::NotDue | Why::NoSuchTask => Some(*after),
        // At once, but not again and again: every receive counts toward the queue's limit.
        Why::Released(_) => (delivery.receive_count <= 1).then_some(*after),
        // The lease is renewed for as long as somebody works, and a message that asks at the end of each would have used
        // up its receives long before that.
        Why::InProgress | Why::StaleLease => Some(grown(*after, delivery.receive_count)),
        // An outage would use up the receives of every message there is: the queue's own timeout is longer. What the
        // database will not take, it will not take in a moment either.
        Why::StoreFailed(_) | Why::StoreRefused(_) | Why::Withheld(_) => None,
        // Decided by the head of its group.
        Why::BehindAnother => None,
        // Never come with a delay.
        Why::Completed
        | Why::Dead(_)
        | Why::Settled(_)
        | Why::AlreadyFailed(_)
        | Why::UnknownStatus(_)
        | Why::Unreadable(_) => None,
    }
}

/// Twice as long with every receive, up to a quarter of an hour, or to `first` where that is more.
#[must_use]
pub fn grown(first: Duration, receive_count: u32) -> Duration {
    let factor = 1_u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(GROWN).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_a_quarter_of_an_hour() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        assert_eq!([0, 1, 2, 3].map(|count| grown(second, count)), [second, second, second * 2, second * 4]);
        assert_eq!([11, 33, u32::MAX].map(|count| grown(second, count)), [GROWN; 3]);
        assert_eq!(grown(hour, 5), hour);
    }
}
