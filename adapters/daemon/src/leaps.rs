//! Says when the machine's clock leaps.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;
use tracing::warn;

/// Less is corrected all the time, and matters to no lease.
const NOTABLE: Duration = Duration::from_secs(2);

/// A clock that warns when it moves otherwise than time: it was set, or the machine stood still.
///
/// Leases and due times are compared by several machines, so one of them with a wrong clock is felt by all. What is
/// written under fencing tokens cannot be spoiled by it; but what is due seems not to be, and leases seem to be over, or
/// to last.
pub struct Leaps<C> {
    clock: C,
    last: Mutex<Option<(Timestamp, Instant)>>,
}

/// By how much the clock moved otherwise than time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leap {
    Forward(Duration),
    Back(Duration),
}

impl<C: Clock> Leaps<C> {
    /// Of this clock, which goes by the wall.
    pub const fn of(clock: C) -> Self {
        Self { clock, last: Mutex::new(None) }
    }

    fn look(&self, now: Timestamp, moment: Instant) -> Option<Leap> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace((now, moment));
        let (then, before) = last?;
        let expected = then + moment.saturating_duration_since(before);
        let (forward, back) = (now.since(expected), expected.since(now));
        if forward >= NOTABLE {
            Some(Leap::Forward(forward))
        } else if back >= NOTABLE {
            Some(Leap::Back(back))
        } else {
            None
        }
    }
}

#[async_trait]
impl<C: Clock> Clock for Leaps<C> {
    fn now(&self) -> Timestamp {
        let moment = Instant::now();
        let now = self.clock.now();
        // One that was held up between the two cannot compare them.
        let leap = if moment.elapsed() < NOTABLE / 4 { self.look(now, moment) } else { None };
        match leap {
            Some(Leap::Forward(by)) => warn!(
                seconds = by.as_secs(),
                "the clock leapt forward: it was set, or this machine stood still. Leases and due times go by it: see \
                 that it is right"
            ),
            Some(Leap::Back(by)) => warn!(
                seconds = by.as_secs(),
                "the clock leapt back: it was set. Until it has caught up, leases taken here look shorter to other \
                 machines, and what they made due later is not due here: see that it is right"
            ),
            None => {}
        }
        now
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Wall;

    #[async_trait]
    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            Timestamp::EPOCH
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn a_leap_is_noticed_once_and_whatever_time_does_is_none() {
        let (clock, start, at) = (Leaps::of(Wall), Instant::now(), Timestamp::from_micros);
        let look = |wall: i64, passed: u64| clock.look(at(wall * 1_000_000), start + Duration::from_secs(passed));
        assert_eq!(look(10_000, 0), None);
        assert_eq!(look(10_100, 100), None);
        assert_eq!(look(10_102, 101), None, "corrected by a second");
        assert_eq!(look(13_702, 101), Some(Leap::Forward(Duration::from_secs(3_600))));
        assert_eq!(look(13_703, 102), None, "it is known");
        assert_eq!(look(10_103, 102), Some(Leap::Back(Duration::from_secs(3_600))));
        assert_eq!(look(10_203, 202), None);
        // Threads that overtake each other.
        assert_eq!(look(10_202, 201), None);
    }
}
