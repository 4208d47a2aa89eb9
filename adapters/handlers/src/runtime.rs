//! Clock and chance for programs on tokio.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use taskwatch_core::ports::{Clock, Entropy};
use taskwatch_core::time::Timestamp;

/// The machine's clock and tokio's timer.
///
/// `now` is wall-clock time (UTC), not time since start: leases and due times in the database are compared by several
/// machines, so their clocks have to agree, as they do under NTP, to much less than the length of a lease. When the
/// clock is set back or forth, leases grow or shrink by as much, and the fencing of writes keeps that harmless.
/// `sleep` needs a tokio runtime with its timer enabled, and follows `tokio::time::pause`; `now` does not.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioClock;

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 has never been set; everything is then due, and leases last until it is.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH + elapsed
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Random numbers seeded by the operating system, different in every process. Not for secrets: they tell apart and
/// spread out, which is all that lease tokens and jitter need.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_the_wall_clock() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock has been set").as_micros();
        let now = i128::from(TokioClock.now().as_micros());
        let after = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock has been set").as_micros();
        assert!(now >= before.cast_signed() && now <= after.cast_signed(), "{before} <= {now} <= {after}");
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_waits_as_long_as_told() {
        let start = tokio::time::Instant::now();
        TokioClock.sleep(Duration::from_secs(90)).await;
        assert_eq!(start.elapsed().as_secs(), 90);
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        let draw = || [SystemEntropy.next_u64(), SystemEntropy.next_u64()];
        assert_ne!(draw(), draw());
    }
}
