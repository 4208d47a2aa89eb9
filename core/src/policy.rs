//! The engine's numbers, and the delay before another attempt.

use std::time::Duration;

use crate::ports::Entropy;

/// No attempt and no lease lasts longer: SQS cannot hide a message for more.
pub const LONGEST_LEASE: Duration = Duration::from_secs(12 * 60 * 60);

/// Exponential backoff with full jitter: a delay drawn evenly between zero and `base * 2^(attempt - 1)`, at most `cap`.
///
/// Source: «Exponential Backoff And Jitter», AWS Architecture Blog, 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper end of the first delay.
    pub base: Duration,
    /// Upper end of every delay.
    pub cap: Duration,
}

impl Backoff {
    /// The longest delay after this attempt (1 for the first).
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// Draws the delay after this attempt.
    pub fn delay(&self, attempt: u32, entropy: &dyn Entropy) -> Duration {
        let ceiling = u64::try_from(self.ceiling(attempt).as_micros()).unwrap_or(u64::MAX);
        // The high half of the product maps 64 random bits evenly onto 0..=ceiling.
        let drawn = (u128::from(entropy.next_u64()) * (u128::from(ceiling) + 1)) >> 64;
        Duration::from_micros(u64::try_from(drawn).unwrap_or(ceiling))
    }
}

/// How the engine works. [`Policy::check`] refuses what cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many attempts run at once.
    pub concurrency: usize,
    /// How long a claim lasts without renewal; renewed at a third of it.
    pub lease: Duration,
    /// When an attempt is cut off.
    pub time_limit: Duration,
    /// How many attempts a task gets that does not say so itself.
    pub max_attempts: u32,
    /// The delay between attempts.
    pub backoff: Backoff,
    /// How long shutdown waits for running attempts before it gives them back.
    pub drain: Duration,
    /// How long a finished attempt waits for others to be written with it, while others still run.
    pub linger: Duration,
    /// How long another program is left alone with a row it inserted or took.
    pub adopt_after: Duration,
    /// How often a delivery of a task without a row is sent back before it becomes a dead letter.
    pub missing_row_retries: u32,
    /// How long a delivery is sent back for that the engine cannot judge now: no row yet, no database.
    pub retry_delay: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease: Duration::from_secs(60),
            time_limit: Duration::from_secs(15 * 60),
            max_attempts: 5,
            backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(15 * 60) },
            drain: Duration::from_secs(20),
            linger: Duration::from_millis(5),
            adopt_after: Duration::from_secs(10 * 60),
            missing_row_retries: 3,
            retry_delay: Duration::from_secs(5),
        }
    }
}

/// A policy that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Nothing would ever run.
    #[error("concurrency must be at least 1")]
    NoConcurrency,
    /// Every task would fail untried.
    #[error("max_attempts must be at least 1")]
    NoAttempts,
    /// Too short to be renewed in time, or longer than SQS can hide a message.
    #[error("lease must lie between 1 s and 12 h, not {0:?}")]
    Lease(Duration),
    /// Nothing could finish, or no lease could cover it.
    #[error("time_limit must lie between 1 ms and 12 h, not {0:?}")]
    TimeLimit(Duration),
    /// The first delay would already be longer than the longest.
    #[error("the backoff's cap ({cap:?}) must not be below its base ({base:?})")]
    Backoff {
        /// As given.
        base: Duration,
        /// As given.
        cap: Duration,
    },
}

impl Policy {
    /// How long a delivery is sent back for while the database does not answer.
    #[must_use]
    pub fn while_down(&self, receive_count: u32) -> Duration {
        Backoff { base: self.retry_delay, cap: self.retry_delay.max(Duration::from_secs(15 * 60)) }
            .ceiling(receive_count)
    }

    /// Refuses numbers that cannot work.
    ///
    /// # Errors
    /// [`PolicyError`] names the number.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.concurrency == 0 {
            return Err(PolicyError::NoConcurrency);
        }
        if self.max_attempts == 0 {
            return Err(PolicyError::NoAttempts);
        }
        if self.lease < Duration::from_secs(1) || self.lease > LONGEST_LEASE {
            return Err(PolicyError::Lease(self.lease));
        }
        if self.time_limit < Duration::from_millis(1) || self.time_limit > LONGEST_LEASE {
            return Err(PolicyError::TimeLimit(self.time_limit));
        }
        if self.backoff.cap < self.backoff.base {
            return Err(PolicyError::Backoff { base: self.backoff.base, cap: self.backoff.cap });
        }
        Ok(())
    }
}
