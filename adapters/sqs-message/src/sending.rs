//! What it takes to send messages to a queue, whichever it is.

use std::time::Duration;

use async_trait::async_trait;

use crate::calls::CallError;
use crate::original::Original;

/// Sending. Implemented where there is I/O (`taskwatch-sqs-queue`).
#[async_trait]
pub trait SendingQueue: Send + Sync {
    /// Sends messages to a queue, by ARN or URL. One answer for each, in order, after `within` at the latest.
    ///
    /// [`CallError::Unavailable`] leaves open whether it was sent; every other error says that it was not. On a FIFO queue
    /// the messages of a group go in the order in which they stand here: after the first that has an error, no other of its
    /// group is sent ([`CallError::NotSent`]).
    async fn send(&self, queue: &str, messages: &[Outgoing], within: Duration) -> Vec<Result<(), CallError>>;
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message. Its id is not sent; on a FIFO queue it is the group of one that has none.
    pub original: Original,
    /// For a FIFO queue, which drops a second message with the same within five minutes.
    pub deduplication_id: String,
}
