//! What all requests share.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use taskwatch_core::engine::{Acted, Engine};
use taskwatch_core::outbox::Relay;
use taskwatch_core::ports::{Inserted, Records, StoreError};
use taskwatch_core::task::{NewTask, TaskId};
use tracing::Instrument as _;

use crate::Intake;

/// The state of the router.
pub(crate) struct Desk {
    pub(crate) engine: Arc<Engine>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) page_limit: usize,
    relay: Option<Arc<Relay>>,
    announce_within: Duration,
}

impl Desk {
    pub(crate) fn new(intake: Intake) -> Arc<Self> {
        let Intake { engine, records, relay, options } = intake;
        let (page_limit, announce_within) = (options.page_limit.max(1), options.announce_within);
        Arc::new(Self { engine, records, page_limit, relay, announce_within })
    }

    /// Adds a task and announces it.
    ///
    /// Runs by itself: a client that goes away in the middle must not keep an added task from being counted or announced.
    pub(crate) async fn add(self: &Arc<Self>, task: NewTask) -> Result<Inserted, StoreError> {
        let desk = Arc::clone(self);
        on_its_own(async move {
            let inserted = desk.insert(task).await?;
            desk.announce().await;
            Ok(inserted)
        })
        .await
    }

    /// Calls a task off. Runs by itself, too.
    pub(crate) async fn cancel(self: &Arc<Self>, task: TaskId, reason: String) -> Result<Vec<Acted>, StoreError> {
        let desk = Arc::clone(self);
        on_its_own(async move { desk.engine.cancel(&[task], &reason).await }).await
    }

    /// Never fails: the task is there, and what is not announced now comes again.
    async fn announce(&self) {
        let Some(relay) = &self.relay else { return };
        if AssertUnwindSafe(relay.sweep_within(self.announce_within)).catch_unwind().await.is_err() {
            tracing::error!("announcing tasks panicked; they stay in the outbox until the next sweep");
        }
    }

    async fn insert(&self, task: NewTask) -> Result<Inserted, StoreError> {
        let tasks = [task];
        let mut answer = self.engine.add(&tasks).await;
        // Written or not: with a key, doing it again tells.
        if matches!(answer, Err(StoreError::Unknown(_))) && tasks[0].idempotency_key.is_some() {
            answer = self.engine.add(&tasks).await;
        }
        let mut inserted = answer?;
        inserted.pop().ok_or_else(|| StoreError::Refused("the store did not say what it inserted".to_owned()))
    }
}

/// Runs to its end even if nobody waits for it any more.
async fn on_its_own<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            // The router answers for it.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Unknown("the program is ending".to_owned())),
        },
    }
}
