//! What can be asked of a store and its workers. Tasks, and attempts held open, go by the model's names.

use std::time::Duration;

use taskwatch_core::task::{NewTask, TaskId};

/// Which of the two engines. They share store and clock, and differ in name, tokens and luck with the backoff's dice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// Always draws the longest delay.
    A,
    /// Always draws none.
    B,
}

impl Worker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// For the ledger.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "worker A",
            Self::B => "worker B",
        }
    }
}

/// How a handler ends, or what a worker reports without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Done.
    Complete,
    /// To be tried again, by the backoff.
    Retry,
    /// To be tried again after this long.
    RetryAfter(Duration),
    /// Not to be tried again.
    Permanent,
    /// The handler panics.
    Panic,
}

/// A delivery that announces a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parcel {
    /// What it announces.
    pub task: TaskId,
    /// How the handler ends if this starts it: the first parcel of a task decides.
    pub end: End,
    /// Whether it came with a trace id.
    pub traced: bool,
    /// How often it was received.
    pub receive_count: u32,
}

/// One step. `holds` are attempts that earlier steps left open, numbered in the order of their claims; they can be
/// ended again and again, by either worker, as a worker does that has lost its lease without noticing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A worker adds tasks, in one transaction.
    Add(Worker, Vec<NewTask>),
    /// A worker claims due tasks from the table and holds their attempts open.
    ClaimDue(Worker, usize),
    /// A worker processes announced tasks to the end.
    Deliver(Worker, Vec<Parcel>),
    /// A worker runs handlers of open attempts and settles them.
    Finish {
        /// Which.
        by: Worker,
        /// The attempts, and how their handlers end.
        ends: Vec<(usize, End)>,
        /// How long a handler takes; nothing where there are several.
        takes: Duration,
        /// Whether it believes that its leases are good. Otherwise it begins nothing whose lease is over.
        believes: bool,
    },
    /// A worker that is shutting down gives open attempts back.
    GiveBack(Worker, Vec<usize>),
    /// A worker calls tasks off.
    Cancel(Worker, Vec<TaskId>),
    /// A worker puts failed tasks back.
    Replay(Worker, Vec<TaskId>),
    /// A worker looks for leases that are over.
    Rescue(Worker, usize),
    /// By hand on the store's port: tasks are started and held open.
    Take(Vec<TaskId>),
    /// By hand on the store's port: an open attempt is settled.
    Settle(usize, End),
    /// By hand on the store's port: an open attempt is released.
    Release(usize),
    /// By hand on the store's port: the leases of open attempts are renewed.
    Extend(Vec<usize>),
    /// The other program inserts a row with this status.
    OtherInserts(&'static str),
    /// The other program writes a status.
    OtherWrites(TaskId, &'static str),
    /// The other program deletes a row.
    OtherDeletes(TaskId),
    /// Time passes.
    Wait(Duration),
}
