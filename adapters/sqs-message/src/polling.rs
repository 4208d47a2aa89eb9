//! What a consumer asks of a queue that it polls by itself, beside what every consumer asks ([`QueueCalls`]).

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::calls::{CallError, QueueCalls};
use crate::limits::MAX_ATTRIBUTES;
use crate::original::{Attribute, Original};
use crate::record::SqsRecord;

/// Most messages that one poll brings: the limit of SQS.
pub const MAX_POLLED: usize = 10;

/// Receiving and deleting. Implemented where there is I/O (`taskwatch-sqs-queue`).
#[async_trait]
pub trait PolledQueue: QueueCalls {
    /// Waits for messages of a queue, and hides those that it answers with. None is no error: the wait is over.
    ///
    /// It ends by itself, some seconds after [`Poll::wait`] at the latest. Dropping the future, or an error after SQS has
    /// answered, leaves messages hidden that nobody knows of; they come again when that is over, one receive the poorer.
    ///
    /// # Errors
    /// [`CallError`]; the next poll may be good again.
    async fn receive(&self, queue: &str, poll: Poll) -> Result<Vec<Received>, CallError>;

    /// Deletes messages of one queue, by receipt handle. One answer for each, in order, after `within` at the latest.
    ///
    /// A handle that is no longer good deletes nothing: SQS may say so ([`CallError::Refused`]) or not.
    async fn delete(&self, queue: &str, receipt_handles: &[&str], within: Duration) -> Vec<Result<(), CallError>>;
}

/// One poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// At most so many messages: 1 to [`MAX_POLLED`]; what is outside is taken as the nearest of these.
    pub max: usize,
    /// How long to wait for the first, in whole seconds up to 20.
    pub wait: Duration,
    /// How long to hide what comes, in whole seconds up to 12 h.
    pub hidden_for: Duration,
}

/// A message as a poll brings it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says, with all its system attributes.
    pub record: SqsRecord,
    /// What its sender says about it, with types.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Received {
    /// What it takes to send it on; `None` where SQS would not take it back: without an id, a body, or with too many
    /// attributes.
    #[must_use]
    pub fn original(&self) -> Option<Original> {
        let original = Original {
            message_id: self.record.message_id.clone()?,
            body: self.record.body.clone().filter(|body| !body.is_empty())?,
            attributes: self.attributes.clone(),
            trace_header: self.record.attributes.get("AWSTraceHeader").cloned(),
            group: self.record.attributes.get("MessageGroupId").cloned(),
        };
        (original.attributes.len() <= MAX_ATTRIBUTES).then_some(original)
    }
}

/// Without the body and what the attributes say.
impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("message_id", &self.record.message_id)
            .field("bytes", &self.record.body.as_ref().map(String::len))
            .field("attributes", &self.attributes.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
