//! Draws that can be repeated.

use std::ops::{Deref, DerefMut};

/// A generator that says what it started from when the test fails.
pub(crate) struct Dice {
    seed: u64,
    random: fastrand::Rng,
}

impl Dice {
    /// Starts from `TASKWATCH_CRASH_SEED`, or from a seed of its own.
    pub(crate) fn new() -> Self {
        let seed = match std::env::var("TASKWATCH_CRASH_SEED") {
            Ok(seed) => seed.parse().expect("TASKWATCH_CRASH_SEED is a whole number"),
            Err(_) => fastrand::u64(..),
        };
        Self { seed, random: fastrand::Rng::with_seed(seed) }
    }
}

impl Deref for Dice {
    type Target = fastrand::Rng;

    fn deref(&self) -> &fastrand::Rng {
        &self.random
    }
}

impl DerefMut for Dice {
    fn deref_mut(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }
}

impl Drop for Dice {
    #[expect(clippy::print_stderr, reason = "belongs to the message of the failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat the draws: TASKWATCH_CRASH_SEED={}", self.seed);
        }
    }
}
