//! Workers that are killed, servers that are killed, and what must hold in spite of it: no task is lost, none is finished
//! twice, and the books balance. Real processes, real signals, a file and a real server.
//!
//! `TASKWATCH_CRASH_SEED` repeats the draws of a failed run, though not the machine's timing.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod books;
mod dice;
mod fleet;
mod kill;
mod place;
mod tamper;
mod term;
mod zombie;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Each test is many processes already: beside another one, live workers could not renew leases of a second in time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for something that has to happen.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
