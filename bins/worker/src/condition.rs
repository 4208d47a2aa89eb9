//! What stands in the way at the moment, as the engine and the relay tell it.

use std::sync::atomic::{AtomicI64, Ordering};

use taskwatch_core::ports::{Notice, Observer};
use taskwatch_wiring::Logger;

/// Logs, and counts what stands in the way: each trouble is told once when it begins and once when it is over.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    open: AtomicI64,
}

impl Conditions {
    /// How many things stand in the way.
    pub(crate) fn troubles(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }
}

impl Observer for Conditions {
    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Trouble(_) => self.open.fetch_add(1, Ordering::Relaxed),
            Notice::Recovered(_) => self.open.fetch_sub(1, Ordering::Relaxed),
            Notice::Transition(_) | Notice::Metric(_) => 0,
        };
        Logger.notice(notice);
    }
}
