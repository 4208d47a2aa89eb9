//! The ledger: one entry for each change of a task, written with the row in one transaction.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::task::{LeaseToken, Status, TaskId, TaskState};
use crate::time::Timestamp;
use crate::transition::{Event, EventKind, IllegalTransition, Then, transition};

/// Which of the engine's homes a change came from; the one dimension of every metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The SQS-triggered function, and the intake beside it.
    Lambda,
    /// The long-polling worker.
    Ec2,
    /// A replay of captured messages or dead letters.
    Replay,
    /// The command line and the embedded database.
    Local,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Lambda, Self::Ec2, Self::Replay, Self::Local];

    /// The string in the ledger and the value of the dimension.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Ec2 => "ec2",
            Self::Replay => "replay",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A source string that is none of the four.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown source {0:?}: expected lambda, ec2, replay or local")]
pub struct UnknownSource(pub String);

impl std::str::FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        Self::ALL.into_iter().find(|source| source.as_str() == text).ok_or_else(|| UnknownSource(text.to_owned()))
    }
}

/// Who writes: the source, and a name for the process or person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Which of the engine's homes.
    pub source: Source,
    /// Host and process, request id or user.
    pub worker: Arc<str>,
}

impl Origin {
    /// Names a writer.
    pub fn new(source: Source, worker: impl Into<Arc<str>>) -> Self {
        Self { source, worker: worker.into() }
    }
}

/// One change of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// Whose.
    pub task: TaskId,
    /// 1, 2, 3 ... for each task, without gaps.
    pub seq: u32,
    /// What happened.
    pub event: EventKind,
    /// The status before; `None` for the first entry.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// [`TaskState::attempt`] after.
    pub attempt: u32,
    /// [`TaskState::due`] after.
    pub due: Timestamp,
    /// [`TaskState::lease`] after.
    pub lease: Option<LeaseToken>,
    /// When it was decided.
    pub at: Timestamp,
    /// By whom.
    #[serde(flatten)]
    pub origin: Origin,
    /// Why, where the event alone does not say.
    pub reason: Option<String>,
    /// The W3C trace id of the delivery, 32 hexadecimal digits.
    pub trace: Option<String>,
}

/// The ledger of a task does not tell a possible story.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLedger {
    /// A sequence number is missing or doubled.
    #[error("entry {found} follows entry {after}")]
    Gap {
        /// The last good number.
        after: u32,
        /// The number found next.
        found: u32,
    },
    /// An entry starts from a status that the one before it did not leave.
    #[error("entry {seq} starts from {from:?}, but the task was {was:?}")]
    Jump {
        /// The entry.
        seq: u32,
        /// What it says it left.
        from: Option<Status>,
        /// What the task was.
        was: Option<Status>,
    },
    /// The transition function refuses the entry.
    #[error("entry {seq}: {why}")]
    Illegal {
        /// The entry.
        seq: u32,
        /// Why not.
        why: IllegalTransition,
    },
    /// The transition function comes to another result.
    #[error("entry {seq} ({event}) says it led to {said}, which it does not")]
    Result {
        /// The entry.
        seq: u32,
        /// Its event.
        event: EventKind,
        /// The status it claims.
        said: Status,
    },
}

impl LedgerEntry {
    /// The event with its data, read back from the entry.
    ///
    /// `None` for an entry that no event could have written, such as one without the token it needs.
    #[must_use]
    pub fn to_event(&self) -> Option<Event> {
        let then = || match self.to {
            Status::Pending => Some(Then::Retry { due: self.due }),
            Status::Failed => Some(Then::GiveUp { now: self.due }),
            Status::InProgress | Status::Completed | Status::Cancelled => None,
        };
        Some(match self.event {
            EventKind::Added => Event::Added { due: self.due },
            EventKind::Adopted => Event::Adopted { status: self.to, due: self.due },
            EventKind::Overwritten => Event::Overwritten { status: self.to, due: self.due },
            EventKind::Started => Event::Started { token: self.lease?, now: self.at, lease_until: self.due },
            EventKind::Completed => Event::Completed { token: self.lease?, now: self.due },
            EventKind::Failed => Event::Failed { token: self.lease?, then: then()? },
            EventKind::Abandoned => Event::Abandoned { now: self.at, then: then()? },
            EventKind::Released => Event::Released { token: self.lease?, due: self.due },
            EventKind::Cancelled => Event::Cancelled { now: self.due },
            EventKind::Replayed => Event::Replayed { due: self.due },
        })
    }
}

/// Plays a task's entries, in order, through the transition function.
///
/// Renewals of a lease leave no entry, so the state's `due` is not compared while a task is In Progress.
///
/// # Errors
/// [`BrokenLedger`] at the first entry that cannot follow from those before it.
pub fn fold<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Result<Option<TaskState>, BrokenLedger> {
    let mut state: Option<TaskState> = None;
    let mut seq = 0;
    for entry in entries {
        if entry.seq != seq + 1 {
            return Err(BrokenLedger::Gap { after: seq, found: entry.seq });
        }
        seq = entry.seq;
        let was = state.map(|state| state.status);
        if entry.from != was {
            return Err(BrokenLedger::Jump { seq, from: entry.from, was });
        }
        let misfit = || BrokenLedger::Result { seq, event: entry.event, said: entry.to };
        let event = entry.to_event().ok_or_else(misfit)?;
        // The lease may have been renewed and then run out: only the clock of the entry knows.
        let before = match (entry.event, state) {
            (EventKind::Abandoned, Some(state)) => Some(TaskState { due: state.due.min(entry.at), ..state }),
            (_, state) => state,
        };
        let after = transition(before.as_ref(), &event).map_err(|why| BrokenLedger::Illegal { seq, why })?;
        let written = TaskState { status: entry.to, attempt: entry.attempt, due: entry.due, lease: entry.lease };
        if after != written {
            return Err(misfit());
        }
        state = Some(after);
    }
    Ok(state)
}
