//! A message that has been read.

use std::collections::BTreeMap;

use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use crate::body::{Body, Wrapping, read_body};
use crate::limits::MAX_ATTRIBUTES;
use crate::record::SqsRecord;
use crate::unreadable::Unreadable;

/// A message that announces a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The task it announces.
    pub task: TaskId,
    /// The title it repeats. The row decides; this is for people.
    pub title: Option<String>,
    /// The description it repeats, likewise.
    pub description: Option<String>,
    /// The W3C trace id, 32 hexadecimal digits: of the message's own `traceparent` attribute, else the envelope's, else
    /// the announcement's, else of the `AWSTraceHeader`. What is malformed is passed over.
    pub trace: Option<String>,
    /// How often it has been received, this time included; 1 where nobody says.
    pub receive_count: u32,
    /// When it was sent to the queue.
    pub sent_at: Option<Timestamp>,
    /// SQS's id; `None` for a body without its record.
    pub message_id: Option<String>,
    /// FIFO or fair-queue group.
    pub group: Option<String>,
    /// FIFO deduplication id.
    pub deduplication_id: Option<String>,
    /// Whether SNS has wrapped it.
    pub wrapped: Wrapping,
    /// What the sender says about it, text and numbers only: the record's attributes over the envelope's.
    pub attributes: BTreeMap<String, String>,
}

/// Reads a record.
///
/// # Errors
/// [`Unreadable`] says what was found instead of an announcement.
pub fn read(record: &SqsRecord) -> Result<Message, Unreadable> {
    if record.message_attributes.len() > MAX_ATTRIBUTES {
        return Err(Unreadable::TooManyAttributes(record.message_attributes.len()));
    }
    Ok(of_record(read_body(record.body.as_deref().ok_or(Unreadable::NoBody)?)?, record))
}

/// What a record says beside its body, around that body.
pub(crate) fn of_record(body: Body, record: &SqsRecord) -> Message {
    let message = Message::from(body);
    let mut attributes = message.attributes;
    attributes.extend(record.message_attributes.clone());
    Message {
        trace: record.traceparent().or(message.trace).or_else(|| record.aws_trace()),
        receive_count: record.receive_count(),
        sent_at: record.sent_at(),
        message_id: record.message_id.clone(),
        group: record.attributes.get("MessageGroupId").cloned(),
        deduplication_id: record.attributes.get("MessageDeduplicationId").cloned(),
        attributes,
        ..message
    }
}

/// Reads a record into what the engine takes; one that cannot be read becomes [`Subject::Unreadable`] with the reason.
pub fn delivery(record: &SqsRecord, receipt: impl Into<String>) -> Delivery {
    match read(record) {
        Ok(message) => message.delivery(receipt),
        Err(why) => Delivery {
            receipt: receipt.into(),
            subject: Subject::Unreadable(why.to_string()),
            receive_count: record.receive_count(),
            trace: record.traceparent().or_else(|| record.aws_trace()),
            group: None,
        },
    }
}

impl Message {
    /// What the engine takes, under the source's own name for it.
    pub fn delivery(&self, receipt: impl Into<String>) -> Delivery {
        Delivery {
            receipt: receipt.into(),
            subject: Subject::Announced(self.task),
            receive_count: self.receive_count,
            trace: self.trace.clone(),
            group: None,
        }
    }

    /// An id to name it by: SQS's, else SNS's.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.wrapped {
            Wrapping::Sns { message_id, .. } => self.message_id.as_deref().or(message_id.as_deref()),
            Wrapping::Raw => self.message_id.as_deref(),
        }
    }
}

/// A body that came without its record: received once, sent nobody knows when.
impl From<Body> for Message {
    fn from(body: Body) -> Self {
        Self {
            task: body.task,
            title: body.title,
            description: body.description,
            trace: body.trace,
            receive_count: 1,
            sent_at: None,
            message_id: None,
            group: None,
            deduplication_id: None,
            wrapped: body.wrapped,
            attributes: body.attributes,
        }
    }
}
