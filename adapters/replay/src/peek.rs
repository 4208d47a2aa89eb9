//! Looking at a queue: what is received is given back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, Poll, PolledQueue, QueueCalls, Received};

/// A queue off which nothing is deleted: whoever deletes is told that it is done, and [`Peek::give_back`] makes all that was
/// received visible again. What that cannot reach, or what is held when the process dies, comes back when its hiding is
/// over. A look costs each message one receive, as SQS counts them.
///
/// Whoever captures through it has to hide for longer than the whole look takes: what comes a second time is news to
/// nobody, but hidden once more, and keeps the capture from its end.
///
/// **A look at a FIFO queue does not go far**: while messages of a group are hidden, SQS gives none of those behind them.
/// Of each group only those come that one receive brings, ten at most.
///
/// It keeps the newest receipt handle of each message and nothing else: some hundred bytes each, and SQS has no more than
/// 120,000 messages of a queue hidden at a time.
pub struct Peek<'a> {
    queue: &'a dyn PolledQueue,
    /// By queue, then by message.
    held: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl fmt::Debug for Peek<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek").field("held", &self.held()).finish_non_exhaustive()
    }
}

impl<'a> Peek<'a> {
    /// With nothing received so far.
    #[must_use]
    pub fn of(queue: &'a dyn PolledQueue) -> Self {
        Self { queue, held: Mutex::default() }
    }

    /// How many messages there are to give back.
    #[must_use]
    pub fn held(&self) -> usize {
        self.lock().values().map(BTreeMap::len).sum()
    }

    /// Makes all that was received visible again, in `within` at the longest for each queue that was looked at. Answers how
    /// many could not be: they come back when their hiding is over, unless this is called again and does better.
    ///
    /// A message of which the queue says that it is not hidden by this look any more is not counted.
    pub async fn give_back(&self, within: Duration) -> usize {
        let queues: Vec<String> = self.lock().keys().cloned().collect();
        for queue in queues {
            let held = self.lock().get(&queue).cloned().unwrap_or_default();
            let (ids, handles): (Vec<String>, Vec<String>) = held.into_iter().unzip();
            let visible = |receipt_handle| Hide { receipt_handle, hidden_for: Duration::ZERO, held: Duration::ZERO };
            let hides: Vec<Hide> = handles.into_iter().map(visible).collect();
            let outcomes = self.queue.hide(&queue, &hides, within).await;
            let mut held = self.lock();
            let Some(held) = held.get_mut(&queue) else { continue };
            for ((id, hide), outcome) in ids.iter().zip(&hides).zip(outcomes) {
                let is_back = matches!(outcome, Ok(()) | Err(CallError::Refused { .. }));
                // Unless it has been received anew in the meantime.
                if is_back && held.get(id).is_some_and(|newest| *newest == hide.receipt_handle) {
                    held.remove(id);
                }
            }
        }
        self.held()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, String>>> {
        // Nothing panics while it holds it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl QueueCalls for Peek<'_> {
    async fn hide(&self, queue: &str, messages: &[Hide], within: Duration) -> Vec<Result<(), CallError>> {
        self.queue.hide(queue, messages, within).await
    }

    async fn send_dead(&self, queue: &str, letters: &[DeadLetter], within: Duration) -> Vec<Result<(), CallError>> {
        self.queue.send_dead(queue, letters, within).await
    }
}

#[async_trait]
impl PolledQueue for Peek<'_> {
    async fn receive(&self, queue: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
        let batch = self.queue.receive(queue, poll).await?;
        let mut held = self.lock();
        let held = held.entry(queue.to_owned()).or_default();
        for message in &batch {
            if let Some(handle) = &message.record.receipt_handle {
                let id = message.record.message_id.as_ref().unwrap_or(handle);
                held.insert(id.clone(), handle.clone());
            }
        }
        Ok(batch)
    }

    /// Deletes nothing, and says that it has.
    async fn delete(&self, _: &str, receipt_handles: &[&str], _: Duration) -> Vec<Result<(), CallError>> {
        vec![Ok(()); receipt_handles.len()]
    }
}
