//! Announcing what was added, right after the commit and never in the way of the answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use taskwatch_core::outbox::Relay;

/// Sweeps the outbox for a limited time. What is not announced then stays in the outbox, and comes again.
#[derive(Debug)]
pub(crate) struct Announcing {
    relay: Option<Arc<Relay>>,
    within: Duration,
    /// Whether the last sweep failed: it is said when that begins and when it ends.
    failing: AtomicBool,
}

impl Announcing {
    pub(crate) const fn new(relay: Option<Arc<Relay>>, within: Duration) -> Self {
        Self { relay, within, failing: AtomicBool::new(false) }
    }

    /// Announces what there is. Neither fails nor panics, and takes no longer than it may.
    pub(crate) async fn sweep(&self) {
        let Some(relay) = &self.relay else { return };
        let sweep = AssertUnwindSafe(relay.sweep()).catch_unwind();
        let why = match tokio::time::timeout(self.within, sweep).await {
            Ok(Ok(Ok(swept))) => swept.why,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) => Some("it panicked".to_owned()),
            Err(_) => Some(format!("it took more than {:?}", self.within)),
        };
        let failing = why.is_some();
        if self.failing.swap(failing, Ordering::Relaxed) != failing {
            match why {
                Some(why) => {
                    tracing::error!(%why, "failed to announce tasks; they stay in the outbox until the next sweep")
                }
                None => tracing::info!("tasks are announced again"),
            }
        }
    }
}
