//! The one function that decides what a task may become.
//!
#![doc = include_str!("../states.md")]

use crate::task::{LeaseToken, Status, TaskState};
use crate::time::Timestamp;

/// What happened to a task. The ledger stores its [`EventKind`]; everything else can be read back from the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// taskwatch inserted the row.
    Added {
        /// Earliest start.
        due: Timestamp,
    },
    /// First touch of a row that another program inserted; it keeps its own status.
    Adopted {
        /// What the row says.
        status: Status,
        /// Pending: earliest start. In Progress: how long the other program is given to finish.
        due: Timestamp,
    },
    /// Another program wrote the status column after taskwatch had.
    Overwritten {
        /// What the row says now.
        status: Status,
        /// As for [`Event::Adopted`].
        due: Timestamp,
    },
    /// A worker takes the task.
    Started {
        /// Of this acquisition, drawn anew.
        token: LeaseToken,
        /// When.
        now: Timestamp,
        /// End of the lease.
        lease_until: Timestamp,
    },
    /// The attempt succeeded.
    Completed {
        /// Of the acquisition that reports it.
        token: LeaseToken,
        /// When.
        now: Timestamp,
    },
    /// The attempt failed.
    Failed {
        /// Of the acquisition that reports it.
        token: LeaseToken,
        /// Another attempt, or none.
        then: Then,
    },
    /// The lease ran out before anybody reported.
    Abandoned {
        /// When this was found.
        now: Timestamp,
        /// Another attempt, or none.
        then: Then,
    },
    /// The worker gives the task back untried (shutdown, deadline); the attempt is not counted.
    Released {
        /// Of the acquisition that gives it back.
        token: LeaseToken,
        /// Earliest next start.
        due: Timestamp,
    },
    /// Somebody called the task off.
    Cancelled {
        /// When.
        now: Timestamp,
    },
    /// Somebody wants a failed task tried again, with a fresh count of attempts.
    Replayed {
        /// Earliest start.
        due: Timestamp,
    },
}

/// What follows an attempt that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Another attempt.
    Retry {
        /// Not before this.
        due: Timestamp,
    },
    /// None: the error is permanent, the attempts are used up, or the work must not run twice.
    GiveUp {
        /// When.
        now: Timestamp,
    },
}

impl Then {
    const fn status(self) -> Status {
        match self {
            Self::Retry { .. } => Status::Pending,
            Self::GiveUp { .. } => Status::Failed,
        }
    }

    const fn due(self) -> Timestamp {
        match self {
            Self::Retry { due } => due,
            Self::GiveUp { now } => now,
        }
    }
}

/// An [`Event`] without its data, as the ledger's `event` column holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "each is described at the event of the same name")]
pub enum EventKind {
    Added,
    Adopted,
    Overwritten,
    Started,
    Completed,
    Failed,
    Abandoned,
    Released,
    Cancelled,
    Replayed,
}

impl EventKind {
    /// Every kind, in the order of the states table.
    pub const ALL: [Self; 10] = [
        Self::Added,
        Self::Adopted,
        Self::Overwritten,
        Self::Started,
        Self::Completed,
        Self::Failed,
        Self::Abandoned,
        Self::Released,
        Self::Cancelled,
        Self::Replayed,
    ];

    /// The string in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "Added",
            Self::Adopted => "Adopted",
            Self::Overwritten => "Overwritten",
            Self::Started => "Started",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Abandoned => "Abandoned",
            Self::Released => "Released",
            Self::Cancelled => "Cancelled",
            Self::Replayed => "Replayed",
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An event string that the ledger never writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown ledger event {0:?}")]
pub struct UnknownEvent(pub String);

impl std::str::FromStr for EventKind {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

impl Event {
    /// The event without its data.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Added { .. } => EventKind::Added,
            Self::Adopted { .. } => EventKind::Adopted,
            Self::Overwritten { .. } => EventKind::Overwritten,
            Self::Started { .. } => EventKind::Started,
            Self::Completed { .. } => EventKind::Completed,
            Self::Failed { .. } => EventKind::Failed,
            Self::Abandoned { .. } => EventKind::Abandoned,
            Self::Released { .. } => EventKind::Released,
            Self::Cancelled { .. } => EventKind::Cancelled,
            Self::Replayed { .. } => EventKind::Replayed,
        }
    }
}

/// Why an event cannot happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    /// The event needs a row, and there is none.
    #[error("{0} needs a task that exists")]
    NoSuchTask(EventKind),
    /// The event makes a row, and there is one.
    #[error("{0} needs a task that does not exist yet")]
    AlreadyExists(EventKind),
    /// The status does not allow it.
    #[error("{event} is not possible while {status}")]
    WrongStatus {
        /// What was tried.
        event: EventKind,
        /// On what.
        status: Status,
    },
    /// The lease has been taken over, or was never this worker's.
    #[error("{0} needs the current lease, and another acquisition holds it")]
    StaleLease(EventKind),
    /// The task may not start yet.
    #[error("Started is not possible before the task is due")]
    NotDue,
    /// Its worker still has time.
    #[error("Abandoned is not possible before the lease is over")]
    LeaseLive,
    /// The other program's write changed nothing.
    #[error("Overwritten needs a status other than the recorded one")]
    NothingOverwritten,
}

/// Decides what `event` makes of a task: total over both arguments, and pure.
///
/// `None` stands for a task of which the ledger knows nothing.
///
/// # Errors
/// [`IllegalTransition`], which says why the event cannot happen; the task stays as it is.
pub fn transition(state: Option<&TaskState>, event: &Event) -> Result<TaskState, IllegalTransition> {
    use IllegalTransition::{
        AlreadyExists, LeaseLive, NoSuchTask, NotDue, NothingOverwritten, StaleLease, WrongStatus,
    };
    let kind = event.kind();
    let Some(&state) = state else {
        return match *event {
            Event::Added { due } => Ok(TaskState { status: Status::Pending, attempt: 0, due, lease: None }),
            Event::Adopted { status, due } => Ok(TaskState { status, attempt: 0, due, lease: None }),
            _ => Err(NoSuchTask(kind)),
        };
    };
    let wrong = Err(WrongStatus { event: kind, status: state.status });
    let held_by = |token: LeaseToken| match state.status {
        Status::InProgress if state.lease == Some(token) => Ok(()),
        Status::InProgress => Err(StaleLease(kind)),
        status => Err(WrongStatus { event: kind, status }),
    };
    match *event {
        Event::Added { .. } | Event::Adopted { .. } => Err(AlreadyExists(kind)),
        Event::Overwritten { .. } if state.status.is_absorbing() => wrong,
        Event::Overwritten { status, .. } if status == state.status => Err(NothingOverwritten),
        Event::Overwritten { status, due } => {
            // A replay by other means.
            let put_back = state.status == Status::Failed && matches!(status, Status::Pending | Status::InProgress);
            let attempt = if put_back { 0 } else { state.attempt };
            Ok(TaskState { status, attempt, due, lease: None })
        }
        Event::Started { token, now, lease_until } => match state.status {
            Status::Pending if state.due > now => Err(NotDue),
            Status::Pending => Ok(TaskState {
                status: Status::InProgress,
                attempt: state.attempt.saturating_add(1),
                due: lease_until,
                lease: Some(token),
            }),
            _ => wrong,
        },
        Event::Completed { token, now } => {
            held_by(token)?;
            Ok(TaskState { status: Status::Completed, due: now, ..state })
        }
        Event::Failed { token, then } => {
            held_by(token)?;
            Ok(TaskState { status: then.status(), due: then.due(), ..state })
        }
        Event::Released { token, due } => {
            held_by(token)?;
            Ok(TaskState { status: Status::Pending, attempt: state.attempt.saturating_sub(1), due, ..state })
        }
        Event::Abandoned { now, then } => match state.status {
            Status::InProgress if state.due > now => Err(LeaseLive),
            Status::InProgress => Ok(TaskState { status: then.status(), due: then.due(), lease: None, ..state }),
            _ => wrong,
        },
        Event::Cancelled { now } => match state.status {
            Status::Pending | Status::InProgress => {
                Ok(TaskState { status: Status::Cancelled, due: now, lease: None, ..state })
            }
            _ => wrong,
        },
        Event::Replayed { due } => match state.status {
            Status::Failed => Ok(TaskState { status: Status::Pending, attempt: 0, due, lease: None }),
            _ => wrong,
        },
    }
}
