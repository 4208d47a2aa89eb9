//! The task table as an event source: what is due is taken straight from it.
//!
//! The whole of it where there is no queue; beside a queue, the sweeper for tasks whose announcement was lost or whose
//! worker died.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select;

use crate::delivery::{Answered, Delivery, Subject};
use crate::engine::Engine;
use crate::ports::{EventSource, Records, SourceError, StoreError};
use crate::stop::Stop;
use crate::time::Timestamp;

/// How many vanished workers' tasks are put back in one transaction.
const RESCUE_LIMIT: usize = 100;

/// Claims due tasks for the engine, and puts back those whose worker has vanished.
///
/// Its deliveries are claimed already and need no answer: the rows themselves say when they are due again.
pub struct DueSource {
    engine: Arc<Engine>,
    poll: Duration,
    stop: Stop,
    until_empty: Option<Arc<dyn Records>>,
    rescued: Mutex<Option<Timestamp>>,
}

impl std::fmt::Debug for DueSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DueSource").field("poll", &self.poll).finish_non_exhaustive()
    }
}

impl DueSource {
    /// Looks again after about `poll` when there was nothing to do; ends when `stop` is set.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, poll: Duration, stop: Stop) -> Self {
        Self { engine, poll, stop, until_empty: None, rescued: Mutex::new(None) }
    }

    /// Also ends when nothing is Pending or In Progress any more, whoever works on it.
    #[must_use]
    pub fn until_empty(mut self, records: Arc<dyn Records>) -> Self {
        self.until_empty = Some(records);
        self
    }

    /// Looks for vanished workers, but not every time it is asked.
    async fn rescue(&self) -> Result<(), StoreError> {
        let now = self.engine.clock().now();
        let every = self.poll.max(self.engine.policy().lease / 4);
        let last = *self.rescued.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was put back must not stop this.
        if last.is_some_and(|last| last <= now && now.since(last) < every) {
            return Ok(());
        }
        while self.engine.rescue(RESCUE_LIMIT).await? == RESCUE_LIMIT {}
        *self.rescued.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    async fn claim(&self, max: usize) -> Result<Vec<Delivery>, StoreError> {
        // The engine has told of a failure, which is no reason not to work what can be worked.
        let _told: Result<(), StoreError> = self.rescue().await;
        let attempts = self.engine.claim_due(max).await?;
        Ok(attempts
            .into_iter()
            .map(|attempt| Delivery {
                receipt: attempt.task.id.to_string(),
                receive_count: 1,
                trace: attempt.trace.clone(),
                group: None,
                subject: Subject::Claimed(attempt),
            })
            .collect())
    }

    async fn is_empty(&self) -> Result<bool, StoreError> {
        let Some(records) = &self.until_empty else { return Ok(false) };
        Ok(!records.any_open().await?)
    }
}

#[async_trait]
impl EventSource for DueSource {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        while !self.stop.is_set() {
            // The engine tells of stores that do not answer, and this source's own wait is the pause.
            match self.claim(max).await {
                Ok(deliveries) if !deliveries.is_empty() => return Ok(Some(deliveries)),
                Ok(_) if self.is_empty().await.unwrap_or(false) => break,
                Ok(_) | Err(_) => {}
            }
            // Workers that were started together must not look together for ever.
            let jitter = self.poll.mul_f64(0.5 + unit(self.engine.entropy().next_u64()));
            select(self.engine.clock().sleep(jitter), Box::pin(self.stop.wait())).await;
        }
        Ok(None)
    }

    async fn answer(&self, _answers: Vec<Answered>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Maps 64 random bits to 0..1.
fn unit(random: u64) -> f64 {
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}
