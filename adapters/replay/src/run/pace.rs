//! So many letters in a time.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use governor::clock::{Clock as _, MonotonicClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;

/// So much of waits that took too long is made up for. Timers are late by a millisecond, which must be little beside the
/// longest period that has no slack.
const SLACK: Duration = Duration::from_millis(40);

/// How many letters may start in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From one to the next.
    period: Duration,
}

/// Not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of letters in a time, such as 50, 50/s, 100/m or 1000/h; it may be 1/h to 100000/s")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let number: f64 = number.trim().parse().map_err(|_| InvalidRate)?;
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            _ => return Err(InvalidRate),
        };
        let per_second = number / seconds;
        let in_bounds = (1.0 / 3600.0..=100_000.0).contains(&per_second);
        in_bounds.then(|| Self { period: Duration::from_secs_f64(1.0 / per_second) }).ok_or(InvalidRate)
    }
}

/// Lets letters go at a rate, or as they come.
#[derive(Debug)]
pub struct Pace(Option<(DefaultDirectRateLimiter, Rate)>);

impl Pace {
    /// At this rate, evenly but for the first few where they come fast; without one, as they come.
    #[must_use]
    pub fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| {
            let burst = SLACK.as_nanos() / rate.period.as_nanos().max(1);
            let burst = NonZeroU32::MIN.saturating_add(u32::try_from(burst).unwrap_or(u32::MAX));
            let quota = Quota::with_period(rate.period);
            // The rate is in bounds: a period is never nothing.
            (RateLimiter::direct(quota.unwrap_or(Quota::per_second(burst)).allow_burst(burst)), rate)
        }))
    }

    /// How many go within a second.
    pub(super) fn in_a_second(&self) -> usize {
        let Some((_, rate)) = &self.0 else { return usize::MAX };
        usize::try_from(Duration::from_secs(1).as_nanos() / rate.period.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// Waits until one may go, or `stop` is set; answers whether one has gone. Dropped, none has.
    pub async fn one(&self, clock: &dyn Clock, stop: &Stop) -> bool {
        let Some((limiter, _)) = &self.0 else { return !stop.is_set() };
        while !stop.is_set() {
            let Err(not_yet) = limiter.check() else { return true };
            let wait = not_yet.wait_time_from(MonotonicClock.now());
            let slept = clock.sleep(wait.max(Duration::from_micros(100)));
            let (Either::Left(_) | Either::Right(_)) = select(slept, stop.wait().boxed()).await;
        }
        false
    }

    /// Whether another may go at once; if so, it has gone.
    #[must_use]
    pub fn one_more(&self) -> bool {
        self.0.as_ref().is_none_or(|(limiter, _)| limiter.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_unit_or_are_per_second() {
        for (text, micros) in
            [("50", 20_000), ("50/s", 20_000), ("100/m", 600_000), ("1000/hour", 3_600_000), ("0.5", 2_000_000)]
        {
            assert_eq!(text.parse(), Ok(Rate { period: Duration::from_micros(micros) }), "{text}");
        }
        for bad in ["", "0", "-1", "nan", "inf", "5/day", "1e9", "1/2", "0.5/h"] {
            assert_eq!(bad.parse::<Rate>(), Err(InvalidRate), "{bad}");
        }
    }
}
