//! What a consumer asks of the queue that its messages came from, beside receiving and deleting them.

use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use crate::original::Original;

/// The calls. Implemented where there is I/O (`taskwatch-sqs-queue`); consumers are written and tested against this.
///
/// A queue is named by its ARN, as Lambda does, or by its URL.
#[async_trait]
pub trait QueueCalls: Send + Sync {
    /// Sets how long messages of one queue stay hidden from now on. One answer for each, in order, after `within` at the
    /// latest.
    async fn hide(&self, queue: &str, messages: &[Hide], within: Duration) -> Vec<Result<(), CallError>>;

    /// Sends messages of one queue to its dead-letter queue, together with why. They are not deleted where they are. One
    /// answer for each, in order, after `within` at the latest; what has an error then may have been sent all the same.
    async fn send_dead(&self, queue: &str, letters: &[DeadLetter], within: Duration) -> Vec<Result<(), CallError>>;
}

/// How long a message is to stay hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hide {
    /// Of the receive that is to last longer or shorter.
    pub receipt_handle: String,
    /// How long from now; SQS takes whole seconds.
    pub hidden_for: Duration,
    /// How long ago it was received, at most: SQS hides a message for no more than 12 h after that.
    pub held: Duration,
}

/// A message that nobody can work, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message as it came.
    pub original: Original,
    /// Why nobody can work it.
    pub reason: String,
    /// The task that it announces, if that can be told.
    pub task: Option<TaskId>,
    /// When this was decided.
    pub at: Timestamp,
}

/// Why a call brought nothing for a message: phrased to follow «failed to». No body is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Trying again will not help before somebody changes a policy.
    #[error("call {queue}: the credentials do not allow {action}: {why}")]
    NotAllowed {
        /// The IAM action that is missing.
        action: String,
        /// On which queue.
        queue: String,
        /// The other side's words.
        why: String,
    },
    /// There are no credentials, or those there are have expired or are unknown: others may come.
    #[error("call {queue} with the credentials there are: {why}")]
    NoCredentials {
        /// Which queue.
        queue: String,
        /// Who says so, or where they were looked for.
        why: String,
    },
    /// There is no such queue (any more).
    #[error("call {queue}: there is no such queue")]
    Gone {
        /// Which.
        queue: String,
    },
    /// The queue has no redrive policy that names one.
    #[error("send dead letters of {queue}: it has no dead-letter queue (no redrive policy)")]
    NoDeadLetters {
        /// Which.
        queue: String,
    },
    /// It will never fit.
    #[error("send a dead letter: it has {bytes} bytes with its attributes, and {queue} takes {most}")]
    TooLarge {
        /// Of body and attributes.
        bytes: usize,
        /// Limit in bytes.
        most: usize,
        /// The dead-letter queue.
        queue: String,
    },
    /// This message was refused: the same once more would be refused again.
    #[error("call {queue}: refused: {why}")]
    Refused {
        /// Which queue refused.
        queue: String,
        /// Its words.
        why: String,
    },
    /// It was certainly not sent, through no fault of its own: trying again later may help.
    #[error("send to {queue}, and nothing was sent: {why}")]
    NotSent {
        /// Where it was to go.
        queue: String,
        /// What stood in the way.
        why: String,
    },
    /// Trying again later may help: no answer, throttling, an error of the service.
    #[error("call {queue}: {why}")]
    Unavailable {
        /// Which queue.
        queue: String,
        /// What happened.
        why: String,
    },
}
