//! Word to systemd, for units of `Type=notify`; to nobody where the program was started otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sd_notify::NotifyState;
use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;

/// It is at work.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// It has been told to stop, and may take its time over it.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // Nobody has to listen.
    let _ = sd_notify::notify(&[state]);
}

/// A clock that counts who looks at it: the engine does so all the time, as long as it is alive.
pub struct Pulse {
    clock: Arc<dyn Clock>,
    beats: AtomicU64,
}

impl Pulse {
    /// Of whatever goes by this clock.
    #[must_use]
    pub fn of(clock: Arc<dyn Clock>) -> Self {
        Self { clock, beats: AtomicU64::new(0) }
    }

    /// How often somebody has looked.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Tells systemd's watchdog, if there is one (`WatchdogSec`), that there has been a beat since the last time; when there
    /// has not been, it is not told, and in the end kills the program. Never ends.
    ///
    /// The watchdog's time must be longer than the pulse may ever pause: an engine looks at least every 10 s.
    pub async fn report(&self) {
        let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
        let every = (limit / 4).max(Duration::from_millis(10));
        let mut before = self.beats();
        loop {
            tokio::time::sleep(every).await;
            let now = self.beats();
            if now != before {
                tell(NotifyState::Watchdog);
            }
            before = now;
        }
    }
}

#[async_trait]
impl Clock for Pulse {
    fn now(&self) -> Timestamp {
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}
