//! Announcements: written in the transaction that adds or replays the task, published after it.
//!
//! A broker that is down delays them and loses none; an announcement may be published twice, which the engine makes
//! harmless. Nothing announces a task before it is due, so no queue has to hold what cannot run yet.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use serde::Serialize;

use crate::condition::Condition;
use crate::ledger::LedgerEntry;
use crate::ports::{Clock, Observer, StoreError};
use crate::stop::Stop;
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::EventKind;

/// How many announcements are taken at once.
const BATCH: usize = 100;

/// Whether a store with an outbox writes an announcement along with this entry.
#[must_use]
pub const fn is_announced(entry: &LedgerEntry) -> bool {
    matches!(entry.event, EventKind::Added | EventKind::Replayed)
}

/// That a task waits to be worked. Serialises as the message of the system that users have today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// The outbox's own number.
    #[serde(skip)]
    pub number: i64,
    /// What is announced, as it is now.
    #[serde(flatten)]
    pub task: Task,
    /// The W3C trace id of whoever added it.
    #[serde(skip)]
    pub trace: Option<String>,
}

/// Keeps announcements until they are published. Two relays may work on one outbox.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes at most `limit` announcements that are due, those waiting longest first; they are hidden until `again`
    /// (later than `now`), so that they come once more if they are not reported as published. Announcements of tasks
    /// without a row vanish. Fewer than `limit` come only where no more are due, or another relay is taking them.
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError>;

    /// These have been published. Numbers that the outbox does not know, or no longer, are no error.
    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError>;
}

/// Publishes announcements: a topic, a queue.
#[async_trait]
pub trait Announcer: Send + Sync {
    /// One answer for each, in order: `Err` says why it was not published, without secrets.
    async fn announce(&self, announcements: &[Announcement]) -> Vec<Result<(), String>>;
}

/// What a [`Relay::sweep`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many were published.
    pub published: usize,
    /// How many were not, and come again.
    pub failed: usize,
    /// Why, for the first of those.
    pub why: Option<String>,
}

/// Brings announcements from an outbox to their announcer.
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    announcer: Arc<dyn Announcer>,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    publishing: Condition,
    hidden: Duration,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("hidden", &self.hidden).finish_non_exhaustive()
    }
}

impl Relay {
    /// What is taken and not published within `hidden` comes again: longer than a publication may take.
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        announcer: Arc<dyn Announcer>,
        clock: Arc<dyn Clock>,
        hidden: Duration,
    ) -> Self {
        let publishing = Condition::good("tasks are announced again");
        Self { outbox, announcer, clock, observer: None, publishing, hidden }
    }

    /// Tells this observer when announcements begin to stay behind, and when they no longer do.
    #[must_use]
    pub fn telling(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Sweeps for at most this long, for whoever must not be kept waiting. What is not announced then comes again.
    pub async fn sweep_within(&self, limit: Duration) {
        let sweep = std::pin::pin!(self.sweep());
        if let Either::Right(_) = select(sweep, self.clock.sleep(limit)).await {
            self.tell(Some(&format!("it took more than {limit:?}")));
        }
    }

    /// Sweeps every so often until it is told to stop.
    pub async fn keep_sweeping(&self, every: Duration, stop: &Stop) {
        let sweeping = std::pin::pin!(async {
            loop {
                // The observer has been told of what went wrong.
                let _ = self.sweep().await;
                self.clock.sleep(every).await;
            }
        });
        let stopped = std::pin::pin!(stop.wait());
        // What a sweep was about comes again.
        let _: Either<((), _), _> = select(sweeping, stopped).await;
    }

    fn tell(&self, why: Option<&str>) {
        if let Some(observer) = &self.observer {
            let why =
                why.map(|why| format!("failed to announce tasks, which stay in the outbox until a later sweep: {why}"));
            self.publishing.heard(&**observer, why);
        }
    }

    /// Publishes all that is due, or stops at the first batch of which something failed: what failed, and what was not
    /// tried, is left for a later sweep.
    ///
    /// # Errors
    /// [`StoreError`] when the outbox cannot be asked. What was published and could not be struck off comes again.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let swept = self.sweep_untold().await;
        match &swept {
            // What could not be announced is hidden for a while: that nothing is due says nothing about the broker.
            Ok(Swept { published: 0, why: None, .. }) => {}
            Ok(swept) => self.tell(swept.why.as_deref()),
            Err(error) => self.tell(Some(&error.to_string())),
        }
        swept
    }

    async fn sweep_untold(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        loop {
            let now = self.clock.now();
            let batch = self.outbox.take(BATCH, now, now + self.hidden).await?;
            if batch.is_empty() {
                return Ok(swept);
            }
            let mut answers = self.announcer.announce(&batch).await;
            answers.resize(batch.len(), Err("the announcer did not say".to_owned()));
            let published: Vec<i64> =
                batch.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(one, _)| one.number).collect();
            swept.published += published.len();
            if !published.is_empty() {
                self.outbox.published(&published).await?;
            }
            let mut failed = answers.into_iter().filter_map(Result::err);
            if let Some(why) = failed.next() {
                swept.failed = failed.count() + 1;
                swept.why = Some(why);
                return Ok(swept);
            }
            if batch.len() < BATCH {
                return Ok(swept);
            }
        }
    }
}
