//! A reason to try a task, and what is answered to whoever brought it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::engine::Attempt;
use crate::task::TaskId;

/// A message, a row that is due, a line of a file: a reason to try a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The source's own name for it: a receipt handle, a line number. Comes back with the answer.
    pub receipt: String,
    /// What it is about.
    pub subject: Subject,
    /// How often it has been received, this time included; 1 where the source does not count.
    pub receive_count: u32,
    /// The W3C trace id it came with, 32 hexadecimal digits.
    pub trace: Option<String>,
    /// The group within which its source promises an order, such as a FIFO queue's message group.
    pub group: Option<String>,
}

/// What a delivery is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A task that may or may not be waiting.
    Announced(TaskId),
    /// A task that the source has already claimed, as [`crate::due::DueSource`] does.
    Claimed(Attempt),
    /// Nothing that can be understood, for this reason.
    Unreadable(String),
    /// Part of it is kept elsewhere and cannot be fetched for now, for this reason.
    Withheld(String),
}

impl Delivery {
    /// A first delivery of a task.
    pub fn of(task: TaskId, receipt: impl Into<String>) -> Self {
        Self { receipt: receipt.into(), subject: Subject::Announced(task), receive_count: 1, trace: None, group: None }
    }

    /// The task, where one can be told.
    #[must_use]
    pub const fn task(&self) -> Option<TaskId> {
        match &self.subject {
            Subject::Announced(task) => Some(*task),
            Subject::Claimed(attempt) => Some(attempt.task.id),
            Subject::Unreadable(_) | Subject::Withheld(_) => None,
        }
    }
}

/// What the source is to do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Delete it.
    Acknowledge,
    /// Show it again after this long.
    RetryAfter(#[serde(serialize_with = "seconds")] Duration),
    /// Move it to the dead letters.
    DeadLetter,
}

/// In JSON: one number, with a fraction where there is one.
fn seconds<S: serde::Serializer>(wait: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(wait.as_secs_f64())
}

/// A delivery with its answer and the reason for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// What was delivered.
    pub delivery: Delivery,
    /// What to do with it.
    pub answer: Answer,
    /// Why.
    pub why: Why,
}

/// Why a delivery was answered as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "reason")]
pub enum Why {
    /// The attempt succeeded.
    Completed,
    /// The attempt failed and will be repeated.
    WillRetry(String),
    /// The attempt failed for good.
    Dead(String),
    /// The attempt was given back untried.
    Released(String),
    /// The task was settled before (Completed or Cancelled): a duplicate.
    Settled(crate::task::Status),
    /// Another worker holds the lease.
    InProgress,
    /// It is not due yet.
    NotDue,
    /// One before it in its group has to come again first.
    BehindAnother,
    /// The task had failed before.
    AlreadyFailed(String),
    /// There is no such row.
    NoSuchTask,
    /// The row's status is none that taskwatch knows.
    UnknownStatus(String),
    /// The delivery cannot be understood.
    Unreadable(String),
    /// Part of the delivery cannot be fetched for now; nothing ran.
    Withheld(String),
    /// The lease was lost while the attempt ran; its result counts for nothing.
    StaleLease,
    /// The database could not be asked; nothing ran, or what ran could not be written.
    StoreFailed(String),
    /// The database answers, but will not take what is to be written about this task.
    StoreRefused(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::WillRetry(reason) => write!(f, "failed, will be retried: {reason}"),
            Self::Dead(reason) => write!(f, "failed for good: {reason}"),
            Self::Released(reason) => write!(f, "given back untried: {reason}"),
            Self::Settled(status) => write!(f, "duplicate: the task is {status}"),
            Self::InProgress => f.write_str("another worker holds the lease"),
            Self::NotDue => f.write_str("not due yet"),
            Self::BehindAnother => f.write_str("one before it in its group has to come again first"),
            Self::AlreadyFailed(reason) => write!(f, "the task had failed before: {reason}"),
            Self::NoSuchTask => f.write_str("no such task"),
            Self::UnknownStatus(status) => write!(f, "the row has the unknown status {status:?}"),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Withheld(reason) => write!(f, "cannot be fetched for now: {reason}"),
            Self::StaleLease => f.write_str("the lease was lost while the attempt ran"),
            Self::StoreFailed(reason) | Self::StoreRefused(reason) => write!(f, "nothing recorded: {reason}"),
        }
    }
}
