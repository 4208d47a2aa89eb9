//! Puts Failed tasks back before their messages reach the engine.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::engine::Engine;
use taskwatch_core::ports::{EventSource, SourceError};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::TaskId;
use taskwatch_replay::FileSource;

/// A capture whose Failed tasks get another chance: each once, however often the capture names it, so that a task that
/// fails again stays failed.
pub(super) struct Revive {
    source: FileSource,
    engine: Arc<Engine>,
    reason: Option<String>,
    stop: Stop,
    met: Mutex<HashSet<TaskId>>,
    revived: AtomicU64,
}

impl Revive {
    /// Puts back for this reason; without one, nothing.
    pub(super) fn new(source: FileSource, engine: Arc<Engine>, reason: Option<String>, stop: Stop) -> Self {
        Self { source, engine, reason, stop, met: Mutex::default(), revived: AtomicU64::new(0) }
    }

    /// The capture.
    pub(super) fn source(&self) -> &FileSource {
        &self.source
    }

    /// How many tasks have been put back.
    pub(super) fn revived(&self) -> u64 {
        self.revived.load(Ordering::Relaxed)
    }

    fn new_among(&self, batch: &[Delivery]) -> Vec<TaskId> {
        // Nothing is left half done where a panic could strike.
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        batch.iter().filter_map(Delivery::task).filter(|task| met.insert(*task)).collect()
    }
}

#[async_trait]
impl EventSource for Revive {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let received = tokio::select! {
            // What has not been handed over stays in the capture for another replay.
            () = self.stop.wait() => return Ok(None),
            received = self.source.receive(max) => received?,
        };
        let (Some(batch), Some(reason)) = (&received, &self.reason) else { return Ok(received) };
        let new = self.new_among(batch);
        if !new.is_empty() {
            match self.engine.replay(&new, reason).await {
                Ok(acts) => {
                    let done = acts.iter().filter(|act| act.refused.is_none()).count();
                    self.revived.fetch_add(u64::try_from(done).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
                // The engine meets the same database next, and reports it for each message.
                Err(error) => crate::out::complain(&format!("failed to put tasks back: {error}")),
            }
        }
        Ok(received)
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        self.source.answer(answers).await
    }
}
