//! A task: the row, and the part of it that the state machine moves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The primary key of a task: positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct TaskId(i64);

/// A task id was zero or negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task id is a positive integer, not {0}")]
pub struct InvalidTaskId(pub i64);

impl TaskId {
    /// The id as the database holds it.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for TaskId {
    type Error = InvalidTaskId;

    fn try_from(id: i64) -> Result<Self, InvalidTaskId> {
        if id > 0 { Ok(Self(id)) } else { Err(InvalidTaskId(id)) }
    }
}

impl From<TaskId> for i64 {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a task stands. The strings are those of the system that users have today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Waits for its due time and for a worker. A worker moves it on.
    Pending,
    /// A worker holds its lease. That worker moves it on, or anyone once the lease is over.
    #[serde(rename = "In Progress")]
    InProgress,
    /// Done. Nothing moves it on.
    Completed,
    /// Given up. Only a person moves it on, by a replay.
    Failed,
    /// Called off. Nothing moves it on.
    Cancelled,
}

impl Status {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 5] = [Self::Pending, Self::InProgress, Self::Completed, Self::Failed, Self::Cancelled];

    /// The string in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "In Progress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing at all leads out of this status.
    #[must_use]
    pub const fn is_absorbing(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A status string that is none of the five.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status {0:?}: expected Pending, In Progress, Completed, Failed or Cancelled")]
pub struct UnknownStatus(pub String);

impl std::str::FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// Names one acquisition of one task: every `Started` draws a new one, and only its holder can settle the attempt.
///
/// In JSON it is a string of 16 hexadecimal digits: many readers of JSON round numbers beyond 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseToken(i64);

impl LeaseToken {
    /// From 64 random bits; the sign is dropped, for the eyes of whoever reads the table.
    #[must_use]
    pub const fn from_random(bits: u64) -> Self {
        Self((bits >> 1).cast_signed())
    }

    /// From the database.
    #[must_use]
    pub const fn from_stored(token: i64) -> Self {
        Self(token)
    }

    /// For the database.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Serialize for LeaseToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

/// The part of a row that the transition function moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TaskState {
    /// Where the task stands.
    pub status: Status,
    /// Attempts started and not given back, since the task was added or last replayed.
    pub attempt: u32,
    /// When somebody has to look at the task next. Pending: the earliest start. In Progress: the end of the lease.
    /// In the three final states: when they were reached.
    pub due: Timestamp,
    /// The token of the latest acquisition. It opens doors only while the task is In Progress. Its holder's own
    /// settlement leaves it in place, which tells a holder that asks again that the settlement was written; whatever
    /// somebody else does to the task removes it.
    pub lease: Option<LeaseToken>,
}

/// What to do with a task whose worker vanished in the middle of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnAbandon {
    /// Try again while attempts are left.
    #[default]
    Retry,
    /// Give up: for work that must not run twice.
    Fail,
}

impl OnAbandon {
    /// The string in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Fail => "fail",
        }
    }
}

/// A policy string that is neither `retry` nor `fail`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown policy {0:?}: expected retry or fail")]
pub struct UnknownPolicy(pub String);

impl std::str::FromStr for OnAbandon {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "retry" => Ok(Self::Retry),
            "fail" => Ok(Self::Fail),
            other => Err(UnknownPolicy(other.to_owned())),
        }
    }
}

/// The status column as found, which another program may have filled with anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FoundStatus {
    /// One of the five.
    Known(Status),
    /// Something else, left alone.
    Unknown(String),
}

impl FoundStatus {
    /// Reads the column.
    #[must_use]
    pub fn read(text: &str) -> Self {
        text.parse().map_or_else(|UnknownStatus(other)| Self::Unknown(other), Self::Known)
    }

    /// The status, if it is one of the five.
    #[must_use]
    pub const fn known(&self) -> Option<Status> {
        match self {
            Self::Known(status) => Some(*status),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for FoundStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(status) => f.pad(status.as_str()),
            Self::Unknown(other) => f.pad(other),
        }
    }
}

/// A row of the task table, as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskRow {
    /// Primary key.
    pub id: TaskId,
    /// What is to be done, in a line.
    pub title: String,
    /// The rest of it.
    pub description: Option<String>,
    /// The status column as it is now.
    pub status: FoundStatus,
    /// The status that the ledger last wrote. `None`: no entry yet, the row was inserted by another program.
    /// Different from `status`: another program has changed the row since.
    pub recorded: Option<Status>,
    /// See [`TaskState::attempt`].
    pub attempt: u32,
    /// See [`TaskState::due`].
    pub due: Timestamp,
    /// See [`TaskState::lease`].
    pub lease: Option<LeaseToken>,
    /// How often to try at most; `None` leaves it to the worker's policy.
    pub max_attempts: Option<u32>,
    /// What to do when an attempt is abandoned.
    pub on_abandon: OnAbandon,
    /// Number of the latest ledger entry; 0 before the first.
    pub seq: u32,
    /// When the row was inserted.
    pub created: Timestamp,
    /// Why the task last failed, was abandoned, released, cancelled or replayed.
    pub reason: Option<String>,
}

impl TaskRow {
    /// The machine's state as the ledger knows it; `None` for a row that has not been adopted.
    #[must_use]
    pub fn state(&self) -> Option<TaskState> {
        self.recorded.map(|status| TaskState { status, attempt: self.attempt, due: self.due, lease: self.lease })
    }

    /// Whether another program has changed the status since the ledger last wrote it.
    #[must_use]
    pub fn is_overwritten(&self) -> bool {
        self.recorded.is_some() && self.status.known() != self.recorded
    }

    /// Where the task stands: what was finished stays finished, whatever another program has written over it; of the rest,
    /// its word counts.
    #[must_use]
    pub fn standing(&self) -> FoundStatus {
        let finished = self.recorded.filter(|status| status.is_absorbing());
        finished.map_or_else(|| self.status.clone(), FoundStatus::Known)
    }

    /// What a handler gets to see.
    #[must_use]
    pub fn task(&self) -> Task {
        Task { id: self.id, title: self.title.clone(), description: self.description.clone() }
    }
}

/// A task as its handler sees it; serialises as the announcement of the system that users have today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Primary key.
    #[serde(rename = "task_id")]
    pub id: TaskId,
    /// What is to be done, in a line.
    pub title: String,
    /// The rest of it.
    pub description: Option<String>,
}

/// A task to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What is to be done, in a line; at most 255 characters.
    pub title: String,
    /// The rest of it.
    pub description: Option<String>,
    /// Not to be started before this; `None` means at once.
    pub not_before: Option<Timestamp>,
    /// How often to try at most; `None` leaves it to the worker's policy.
    pub max_attempts: Option<u32>,
    /// What to do when an attempt is abandoned.
    pub on_abandon: OnAbandon,
    /// Adding the same key again adds nothing and answers with the first task.
    pub idempotency_key: Option<String>,
    /// The W3C trace id of whoever adds it, 32 hexadecimal digits: for the ledger and the announcement.
    pub trace: Option<String>,
}

impl NewTask {
    /// A task with this title and defaults for the rest.
    pub fn titled(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: None,
            not_before: None,
            max_attempts: None,
            on_abandon: OnAbandon::default(),
            idempotency_key: None,
            trace: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_back_as_written_and_nothing_else_does() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!(FoundStatus::read("pending"), FoundStatus::Unknown("pending".into()));
        assert_eq!("In progress".parse::<Status>(), Err(UnknownStatus("In progress".into())));
    }

    #[test]
    fn ids_are_positive() {
        assert_eq!(TaskId::try_from(0), Err(InvalidTaskId(0)));
        assert_eq!(TaskId::try_from(7).map(i64::from), Ok(7));
    }
}
