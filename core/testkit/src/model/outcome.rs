//! What a command comes to, for whoever gave it.

use std::collections::BTreeMap;

use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::engine::Attempt;
use taskwatch_core::ports::{Inserted, Seen};
use taskwatch_core::task::TaskId;

use super::world::ANY_REASON;

/// A run of a handler: the task, the attempt's number, and how many there can be.
pub type Run = (TaskId, u32, u32);

/// See [`super::Command`] for what each belongs to.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Outcome {
    /// Nobody is told anything.
    #[default]
    Silent,
    /// Of an insert.
    Inserted(Vec<Inserted>),
    /// The other program's row.
    Foreign(TaskId),
    /// The attempts now held.
    Held(Vec<Attempt>),
    /// By receipt what was answered, and which handlers ran.
    Answered(BTreeMap<String, (Answer, Why)>, Vec<Run>),
    /// Which tasks, and whether it was refused.
    Acted(Vec<(TaskId, bool)>),
    /// How many tasks.
    Rescued(usize),
    /// The rows as they were, and whether they were written.
    Seen(Vec<Seen>),
    /// The tasks whose lease was not held.
    Lost(Vec<TaskId>),
}

/// Without the engine's own words.
pub(super) fn bare(why: Why) -> Why {
    let any = || ANY_REASON.to_owned();
    match why {
        Why::WillRetry(_) => Why::WillRetry(any()),
        Why::Dead(_) => Why::Dead(any()),
        Why::Released(_) => Why::Released(any()),
        Why::AlreadyFailed(_) => Why::AlreadyFailed(any()),
        Why::Unreadable(_) => Why::Unreadable(any()),
        other => other,
    }
}
