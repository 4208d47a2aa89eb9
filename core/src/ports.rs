//! What the engine needs from the world. Adapters implement these; `taskwatch-testkit` holds the suites they must pass.

use std::time::Duration;

use async_trait::async_trait;

use crate::delivery::{Answered, Delivery};
use crate::ledger::{LedgerEntry, Origin};
use crate::metric::MetricEvent;
use crate::task::{LeaseToken, NewTask, Status, Task, TaskId, TaskRow, TaskState};
use crate::time::Timestamp;

/// Tells the time and waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits this long. Dropping the future stops the wait.
    async fn sleep(&self, duration: Duration);
}

/// Draws random numbers: lease tokens and jitter.
pub trait Entropy: Send + Sync {
    /// 64 bits, independent of all drawn before.
    fn next_u64(&self) -> u64;
}

/// Which rows a transaction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// These, where they exist, waiting for whoever has them locked.
    Ids(Vec<TaskId>),
    /// Pending rows that are due, earliest first, passing over those that somebody has locked.
    Due(DueBefore),
    /// In Progress rows whose lease is over, earliest first, passing over those that somebody has locked.
    LeaseOver(DueBefore),
}

/// How far due a row must be for [`Select::Due`] and [`Select::LeaseOver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueBefore {
    /// Rows that the ledger knows: due at or before this.
    pub ours: Timestamp,
    /// Rows inserted or overwritten by another program: due at or before this, so that it has time to do its work.
    pub foreign: Timestamp,
    /// At most this many.
    pub limit: usize,
}

/// What to write to one row, together with the entries that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row's new state; its status is written to `status` and `recorded` both.
    pub state: TaskState,
    /// The row's new reason; `None` leaves it.
    pub reason: Option<String>,
    /// At least one, numbered on from the row's `seq`.
    pub entries: Vec<LedgerEntry>,
}

/// Decides about one row. A store calls it again when it repeats a transaction; the last answer counts.
pub type Decide<'a> = dyn Fn(&TaskRow) -> Option<Change> + Send + Sync + 'a;

/// One row that a transaction looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The row as it was before.
    pub row: TaskRow,
    /// Whether what was decided has been written. False where the decision was to leave the row, where the
    /// compare-and-set found that another writer had come first, and where somebody kept the row locked for too long.
    pub written: bool,
}

/// A live lease, for renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// On what.
    pub task: TaskId,
    /// Of this acquisition.
    pub token: LeaseToken,
}

/// What became of a [`NewTask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// A row was inserted, with this entry.
    Added(LedgerEntry),
    /// Its idempotency key was used before, by this task.
    Existed(TaskId),
}

impl Inserted {
    /// The task, new or not.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        match self {
            Self::Added(entry) => entry.task,
            Self::Existed(task) => *task,
        }
    }
}

/// Keeps rows and ledger. The store locks, reads and writes; what is written, core decides.
#[async_trait]
pub trait Store: Send + Sync {
    /// Inserts tasks with their `Added` entries, all or none.
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError>;

    /// In one transaction: locks the selected rows, asks `decide` about each, and writes every change by compare-and-set
    /// on (id, status, lease token, sequence number) with its entries. Answers with each row found, in the order of
    /// [`Select`] (by id, or by due time).
    ///
    /// When the confirmation of a commit is lost, the store may have written without knowing, and says
    /// [`StoreError::Unknown`]: the engine then asks the rows.
    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError>;

    /// Moves the end of each lease that is still held to `until`, without an entry. Answers with the tasks whose lease is
    /// no longer held. A row that somebody else keeps locked holds up no other: its lease may not have moved, and as long
    /// as nobody knows that it is lost, it is not in the answer.
    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError>;
}

/// Why a store could not do its work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written, and trying again later may help: no connection, a restart, a full disk, a lock wait.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection was lost in mid-commit: written or not, nobody can say until the rows are read again.
    #[error("the database did not confirm the commit: {0}")]
    Unknown(String),
    /// Trying again will not help: a missing table or right, a schema of another version.
    #[error("the database refused: {0}")]
    Refused(String),
}

/// A page of the task table, for [`Records::list`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these statuses; empty means all. What the ledger knows as Completed or Cancelled counts as that, whatever
    /// another program has written over it.
    pub statuses: Vec<Status>,
    /// Only tasks whose title holds this text.
    pub title: Option<String>,
    /// Only tasks with a smaller id than this (pages run from the newest to the oldest).
    pub before: Option<TaskId>,
    /// At most this many.
    pub limit: usize,
}

/// A task with its whole ledger, read at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The row; `None` when only the ledger is left of it.
    pub row: Option<TaskRow>,
    /// Whose.
    pub task: TaskId,
    /// In order of their numbers.
    pub entries: Vec<LedgerEntry>,
}

/// Reads rows and ledger, for people and for the audit.
#[async_trait]
pub trait Records: Send + Sync {
    /// Rows that pass the filter, newest first.
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError>;
    /// Up to `limit` tasks with ids above `after`, by id; tasks of which only the ledger is left are among them.
    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError>;
    /// Whether any task is Pending or In Progress, as row and ledger say together: what was finished stays finished.
    /// Asked again and again while others work, so it must not look through the whole table.
    async fn any_open(&self) -> Result<bool, StoreError>;
    /// One task.
    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError>;
    /// Those of these tasks that have a row or a ledger, by id. A store reads them together, at one instant.
    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::with_capacity(tasks.len());
        for task in std::collections::BTreeSet::from_iter(tasks) {
            found.extend(self.record(*task).await?);
        }
        Ok(found)
    }
}

/// Where deliveries come from and where their answers go: a queue, a table, a file.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// Waits for deliveries and hands over at most `max`; `None` once there will be no more. An empty answer means
    /// «nothing for now»: the source has done its own waiting. A source should end its wait soon after the drive is told
    /// to stop; some seconds after the time for draining, the call is dropped.
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError>;

    /// Passes on what became of deliveries. Called after the decision has been committed.
    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError>;

    /// Whether deliveries may be kept for some minutes while the store does not answer: the source keeps them from others
    /// meanwhile, and whoever waits for their answers has time. The engine then claims them as soon as it can and asks for
    /// no others until it has; otherwise it sends them back, and finds out with others whether the store answers again. In
    /// the same way, attempts that were [not begun](FailureKind::NotBegun) are repeated until they are.
    fn keeps(&self) -> bool {
        false
    }

    /// Waits until deliveries are lost that were handed over and not answered yet, such as messages whose visibility could
    /// not be renewed: others may be given them. Answers with their receipts, never with none; whatever still runs for
    /// these alone is cut off, and that is a failed attempt. Each is told once, and the source is asked again after each
    /// answer. A source that cannot lose any
    /// leaves it at this, which waits for ever.
    async fn lost(&self) -> Vec<String> {
        std::future::pending().await
    }
}

/// Why an event source could not be asked or answered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Does the work of a task.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Works one attempt. The future is dropped on a time limit, a lost lease, a cancellation or at shutdown, so
    /// whatever must not outlive the attempt has to end when it is dropped. It may panic: that is a failed attempt.
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure>;
}

/// What a handler may want to know about the attempt it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptInfo {
    /// 1 for the first.
    pub number: u32,
    /// How many there can be.
    pub max: u32,
    /// When the attempt will be cut off.
    pub deadline: Timestamp,
    /// The same for every attempt of the task and different for every task: pass it on to whatever must not be done
    /// twice.
    pub idempotency_key: String,
    /// The W3C trace id of the delivery, if it came with one.
    pub trace: Option<String>,
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether another attempt makes sense.
    pub kind: FailureKind,
    /// For the ledger: what went wrong, without payload or secrets.
    pub reason: String,
}

/// See [`Failure::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Try again, after this long if the handler knows, otherwise by the backoff.
    Retry {
        /// What the other side asked for.
        after: Option<Duration>,
    },
    /// Nothing was done: what does the work could not be started or reached, and so it most likely is for all tasks. Where
    /// the source [keeps](EventSource::keeps) its deliveries that costs no attempt: others are tried one at a time, after
    /// growing pauses, until one gets further. Where it does not, this is a [`FailureKind::Retry`].
    NotBegun,
    /// The work was cut off and may be half done: try again by the backoff, unless the task must not run twice.
    CutOff,
    /// Trying again will not help.
    Permanent,
}

impl Failure {
    /// Try again, by the backoff.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Retry { after: None }, reason: reason.into() }
    }

    /// Nothing was done: see [`FailureKind::NotBegun`].
    pub fn not_begun(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::NotBegun, reason: reason.into() }
    }

    /// Try again after this long.
    pub fn retry_after(after: Duration, reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Retry { after: Some(after) }, reason: reason.into() }
    }

    /// Nobody can say how far the work has come: it was killed at its time limit, its connection broke.
    pub fn cut_off(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::CutOff, reason: reason.into() }
    }

    /// Do not try again.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Permanent, reason: reason.into() }
    }
}

/// Something worth telling. Entries and metric events are told after they have been committed, never before.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice<'a> {
    /// A change was written.
    Transition(&'a LedgerEntry),
    /// A catalogue metric moved.
    Metric(MetricEvent),
    /// Something stands in the way: said once when it begins.
    Trouble(&'a str),
    /// It no longer does.
    Recovered(&'a str),
}

/// Is told what happens: metrics, logs and spans hang here. Must not block.
pub trait Observer: Send + Sync {
    /// Takes note.
    fn notice(&self, notice: &Notice<'_>);
}
