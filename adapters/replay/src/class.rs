//! What has become of the task that a dead letter announces, as its row and its ledger say.

use std::fmt;

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::Record;
use taskwatch_core::task::{FoundStatus, OnAbandon, Status, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use crate::letter::Letter;

/// What a dead letter is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Pending and due, and no attempt was ever started.
    NeverRan,
    /// Pending: has been tried, or is not due yet.
    Waiting {
        /// Earliest start.
        due: Timestamp,
    },
    /// A worker holds its lease.
    Running {
        /// End of the lease.
        until: Timestamp,
    },
    /// Given up, by an attempt that said so.
    Failed {
        /// Why.
        cause: String,
    },
    /// An attempt was abandoned or cut off, and nobody knows how far it came.
    Uncertain {
        /// What is known.
        cause: String,
        /// Whether the task may be run again all the same ([`OnAbandon::Retry`]).
        may_rerun: bool,
    },
    /// Done.
    Completed {
        /// When, where taskwatch completed it.
        at: Option<Timestamp>,
    },
    /// Called off.
    Cancelled,
    /// There is no row.
    NoSuchTask,
    /// Another program has written a status that is none of the five.
    UnknownStatus(String),
    /// The letter does not say which task it announces, and why.
    Unreadable(String),
}

/// A [`Class`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described at the class of the same name")]
pub enum ClassKind {
    NeverRan,
    Waiting,
    Running,
    Failed,
    Uncertain,
    Completed,
    Cancelled,
    NoSuchTask,
    UnknownStatus,
    Unreadable,
}

impl ClassKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::NeverRan,
        Self::Waiting,
        Self::Running,
        Self::Failed,
        Self::Uncertain,
        Self::Completed,
        Self::Cancelled,
        Self::NoSuchTask,
        Self::UnknownStatus,
        Self::Unreadable,
    ];

    /// As it is written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverRan => "never-ran",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::NoSuchTask => "no-such-task",
            Self::UnknownStatus => "unknown-status",
            Self::Unreadable => "unreadable",
        }
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NeverRan => "never ran",
            Self::Waiting => "waits for another attempt",
            Self::Running => "is running",
            Self::Failed => "failed",
            Self::Uncertain => "was abandoned: nobody knows how far it came",
            Self::Completed => "already completed",
            Self::Cancelled => "cancelled",
            Self::NoSuchTask => "no such task",
            Self::UnknownStatus => "has a status that taskwatch does not know",
            Self::Unreadable => "cannot be read",
        }
    }
}

impl fmt::Display for ClassKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of a class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown class {0:?}: expected one of {names}", names = Class::ALL_NAMES.join(", "))]
pub struct UnknownClass(pub String);

impl std::str::FromStr for ClassKind {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

impl Class {
    /// Every [`Self::name`].
    pub const ALL_NAMES: [&'static str; 10] = {
        let mut names = [""; 10];
        let mut at = 0;
        while at < names.len() {
            names[at] = ClassKind::ALL[at].name();
            at += 1;
        }
        names
    };

    /// Without its data.
    #[must_use]
    pub const fn kind(&self) -> ClassKind {
        match self {
            Self::NeverRan => ClassKind::NeverRan,
            Self::Waiting { .. } => ClassKind::Waiting,
            Self::Running { .. } => ClassKind::Running,
            Self::Failed { .. } => ClassKind::Failed,
            Self::Uncertain { .. } => ClassKind::Uncertain,
            Self::Completed { .. } => ClassKind::Completed,
            Self::Cancelled => ClassKind::Cancelled,
            Self::NoSuchTask => ClassKind::NoSuchTask,
            Self::UnknownStatus(_) => ClassKind::UnknownStatus,
            Self::Unreadable(_) => ClassKind::Unreadable,
        }
    }

    /// As it is written on the command line, in kebab-case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// For people.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        self.kind().words()
    }

    /// What is known beyond the name, where that is text.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Failed { cause } | Self::Uncertain { cause, .. } => Some(cause),
            Self::UnknownStatus(text) | Self::Unreadable(text) => Some(text),
            Self::NeverRan
            | Self::Waiting { .. }
            | Self::Running { .. }
            | Self::Completed { .. }
            | Self::Cancelled
            | Self::NoSuchTask => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Says what has become of a letter's task. `record` is that of [`Letter::task`].
#[must_use]
pub fn classify(letter: &Letter, record: Option<&Record>, now: Timestamp) -> Class {
    if let Err(why) = &letter.task {
        return Class::Unreadable(why.clone());
    }
    let Some((record, row)) = record.and_then(|record| Some((record, record.row.as_ref()?))) else {
        return Class::NoSuchTask;
    };
    match row.standing() {
        FoundStatus::Unknown(text) => Class::UnknownStatus(text),
        FoundStatus::Known(Status::Pending) => pending(record, row, now),
        FoundStatus::Known(Status::InProgress) => in_progress(row, now),
        FoundStatus::Known(Status::Failed) => failed(record, row),
        FoundStatus::Known(Status::Completed) => {
            let own = latest(record, &[EventKind::Completed]);
            Class::Completed { at: own.map(|entry| entry.at) }
        }
        FoundStatus::Known(Status::Cancelled) => Class::Cancelled,
    }
}

/// How often the task has been replayed, whoever did it.
#[must_use]
pub fn replays(record: &Record) -> u32 {
    let count = record.entries.iter().filter(|entry| entry.event == EventKind::Replayed).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn pending(record: &Record, row: &TaskRow, now: Timestamp) -> Class {
    // What another program has put back may be started at once.
    let due = if row.is_overwritten() { now } else { row.due };
    // One that was given back counts: it may have been in the middle of its work. So does another program's.
    let begun = |entry: &LedgerEntry| entry.event == EventKind::Started || entry.to == Status::InProgress;
    let tried = row.attempt > 0 || row.recorded == Some(Status::InProgress) || record.entries.iter().any(begun);
    if tried || due > now { Class::Waiting { due } } else { Class::NeverRan }
}

fn in_progress(row: &TaskRow, now: Timestamp) -> Class {
    let may_rerun = row.on_abandon == OnAbandon::Retry;
    let uncertain = |cause: &str| Class::Uncertain { cause: cause.to_owned(), may_rerun };
    if row.is_overwritten() || row.lease.is_none() {
        return uncertain("another program has set it to In Progress, and has not said more");
    }
    if row.due > now {
        return Class::Running { until: row.due };
    }
    uncertain("the lease ran out, and its worker has not said more")
}

fn failed(record: &Record, row: &TaskRow) -> Class {
    if row.recorded != Some(Status::Failed) {
        return Class::Failed { cause: "another program has set it to Failed".to_owned() };
    }
    let ends = [EventKind::Failed, EventKind::Abandoned, EventKind::Overwritten, EventKind::Adopted];
    let end = latest(record, &ends);
    let foreign = end.is_some_and(|end| matches!(end.event, EventKind::Overwritten | EventKind::Adopted));
    if foreign {
        return Class::Failed { cause: "another program has set it to Failed".to_owned() };
    }
    let cause = end.and_then(|end| end.reason.as_deref()).or(row.reason.as_deref()).unwrap_or("no reason recorded");
    let abandoned = end.is_some_and(|end| end.event == EventKind::Abandoned);
    if abandoned || was_cut_off(cause) {
        Class::Uncertain { cause: cause.to_owned(), may_rerun: row.on_abandon == OnAbandon::Retry }
    } else {
        Class::Failed { cause: cause.to_owned() }
    }
}

/// The latest entry of one of these kinds.
fn latest<'a>(record: &'a Record, kinds: &[EventKind]) -> Option<&'a LedgerEntry> {
    record.entries.iter().rev().find(|entry| kinds.contains(&entry.event))
}

/// How a reason begins or ends of an attempt that was stopped in the middle: the ledger keeps no other trace of that. The
/// first four are the engine's, the others those of the handlers `command` and `http`.
const CUT_OFF: [&str; 7] = [
    "the lease could not be renewed",
    "the delivery could not be kept from others",
    "timed out after ",
    "the handler panicked: ",
    "killed at the time limit of ",
    "no answer from ",
    " did not answer within the time limit of ",
];

fn was_cut_off(reason: &str) -> bool {
    CUT_OFF.iter().any(|part| if part.starts_with(' ') { reason.contains(part) } else { reason.starts_with(part) })
}
