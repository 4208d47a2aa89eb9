//! What is told of each letter.

use std::fmt;
use std::time::Duration;

use taskwatch_core::task::TaskId;

use super::plan::Planned;
use crate::journal::EntryNumber;

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its task was completed.
    Completed,
    /// Its task failed for good.
    Failed(String),
    /// It was sent to this queue.
    Sent(String),
    /// Nobody needs it any more.
    Dropped(String),
    /// It stays in the journal: its task comes again later, after this long where that is known.
    Later(String, Option<Duration>),
    /// It stays in the journal: nothing can be done with it as it is.
    Left(String),
}

impl Fate {
    /// In a word, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed(_) => "failed",
            Self::Sent(_) => "sent",
            Self::Dropped(_) => "dropped",
            Self::Later(..) => "later",
            Self::Left(_) => "left",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Failed(why) => write!(f, "failed for good: {why}"),
            Self::Sent(queue) => write!(f, "sent to {queue}"),
            Self::Dropped(why) => write!(f, "dropped: {why}"),
            Self::Later(why, _) => write!(f, "stays in the journal for later: {why}"),
            Self::Left(why) => write!(f, "stays in the journal: {why}"),
        }
    }
}

/// A letter and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its number in the journal.
    pub number: EntryNumber,
    /// SQS's id for it, else SNS's.
    pub message_id: Option<String>,
    /// Its task.
    pub task: Option<TaskId>,
    /// What its task was found to be, in a word.
    pub class: &'static str,
    /// What became of it.
    pub fate: Fate,
}

impl Told {
    pub(super) fn of(planned: &Planned, fate: Fate) -> Self {
        Self {
            number: planned.entry.number,
            message_id: planned.letter.message_id.clone(),
            task: planned.letter.task.as_ref().ok().copied(),
            class: planned.class.name(),
            fate,
        }
    }
}

/// Hears how a run goes on.
pub trait Listener: Send + Sync {
    /// What became of a letter.
    fn told(&self, told: &Told);
    /// So many more did not pass the filter.
    fn passed_over(&self, count: u64);
    /// Something stands in the way, and is tried again.
    fn trouble(&self, what: &str);
}
