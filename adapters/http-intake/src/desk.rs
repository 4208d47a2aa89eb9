//! What all requests share.

use std::sync::Arc;

use taskwatch_core::engine::{Acted, Engine};
use taskwatch_core::ports::{Inserted, Records, StoreError};
use taskwatch_core::task::{NewTask, TaskId};
use tracing::Instrument as _;

use crate::Intake;
use crate::announce::Announcing;

/// The state of the router.
pub(crate) struct Desk {
    pub(crate) engine: Arc<Engine>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) page_limit: usize,
    announcing: Announcing,
}

impl Desk {
    pub(crate) fn new(intake: Intake) -> Arc<Self> {
        let Intake { engine, records, relay, options } = intake;
        let announcing = Announcing::new(relay, options.announce_within);
        Arc::new(Self { engine, records, page_limit: options.page_limit.max(1), announcing })
    }

    /// Adds a task and announces it.
    ///
    /// Runs by itself: a client that goes away in the middle must not keep an added task from being counted or announced.
    pub(crate) async fn add(self: &Arc<Self>, task: NewTask) -> Result<Inserted, StoreError> {
        let desk = Arc::clone(self);
        on_its_own(async move {
            let inserted = desk.insert(task).await?;
            desk.announcing.sweep().await;
            Ok(inserted)
        })
        .await
    }

    /// Calls a task off. Runs by itself, too.
    pub(crate) async fn cancel(self: &Arc<Self>, task: TaskId, reason: String) -> Result<Vec<Acted>, StoreError> {
        let desk = Arc::clone(self);
        on_its_own(async move { desk.engine.cancel(&[task], &reason).await }).await
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
