//! By which rules tasks are worked.

use std::time::Duration;

use taskwatch_core::policy::{Backoff, LONGEST_LEASE, Policy};
use taskwatch_settings::{Settings, Work};

/// Handlers that keep the time limit by themselves know best what came of the work; the engine's own limit lies behind.
const OWN_END: Duration = Duration::from_secs(5);

/// What the sections `worker` and `handler` say, for the engine.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let (worker, limit) = (&settings.worker, settings.handler.time_limit);
    let time_limit = match &settings.handler.work {
        Some(Work::Command(_) | Work::Http { .. }) => (limit + OWN_END).min(LONGEST_LEASE),
        Some(Work::Simulate(_)) | None => limit,
    };
    Policy {
        concurrency: worker.concurrency,
        lease: worker.lease,
        time_limit,
        max_attempts: worker.max_attempts,
        backoff: Backoff { base: worker.backoff_base, cap: worker.backoff_cap },
        drain: worker.drain,
        adopt_after: worker.adopt_after,
        ..Policy::default()
    }
}
