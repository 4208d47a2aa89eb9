//! Random commands on a store with two engines and another program beside it, compared after each command with a model
//! that knows no store: it holds rows and ledgers, and moves them by the transition function alone.
//!
//! A [`System`] is what a test brings along; [`Machine`] runs it beside the [`Model`], with `prop_state_machine!`. Two
//! workers take turns, command by command, and attempts stay open from one command to the next, so leases run out and
//! are taken over in between. At the end of each case both work off what is left at the same time; what a model cannot
//! foretell there must still keep every law.
//!
//! Ids and lease tokens differ from run to run: the model has names of its own for both, and each name must stand for
//! one real id or token throughout. Reasons that the engine phrases itself are [`ANY_REASON`] in the model.

mod acts;
mod attempts;
mod book;
mod command;
mod generate;
mod machine;
mod names;
mod outcome;
mod storm;
mod worker;
mod world;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{Records, Store};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

pub use self::command::{Command, End, Parcel, Worker};
pub use self::generate::Model;
pub use self::machine::{Machine, Running};
pub use self::outcome::{Outcome, Run};
pub use self::world::{ANY_REASON, World};
use crate::VirtualClock;

/// A store under test, and how to run it.
pub trait System: Sized + 'static {
    /// An empty store. The clock is the one that engines and commands go by.
    fn open(clock: &VirtualClock) -> Self;

    /// What the machine works with.
    fn parts(&self) -> Parts;

    /// Runs to the end. Nothing waits for the virtual clock to move.
    fn block_on<F: Future>(&self, future: F) -> F::Output;
}

/// The two ports of a store, and the other program that writes to the same table.
pub struct Parts {
    /// Writes.
    pub store: Arc<dyn Store>,
    /// Reads.
    pub records: Arc<dyn Records>,
    /// Knows nothing of taskwatch.
    pub other: Arc<dyn OtherProgram>,
}

/// The other program, which has the table to itself as far as it knows.
#[async_trait]
pub trait OtherProgram: Send + Sync {
    /// Inserts a row with this title and status; `now` is what the database's own clock says, from which the columns that
    /// the other program does not know get their defaults.
    async fn insert(&self, title: &str, status: &str, now: Timestamp) -> TaskId;
    /// Writes the status column, if there is such a row.
    async fn write_status(&self, task: TaskId, status: &str);
    /// Deletes the row, if there is one.
    async fn delete(&self, task: TaskId);
}

/// When every case begins.
const BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// What both engines go by. The time limits never strike: handlers are done at once.
pub(crate) const POLICY: Policy = Policy {
    concurrency: 16,
    lease: Duration::from_secs(60),
    time_limit: Duration::from_secs(15 * 60),
    max_attempts: 3,
    backoff: Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(5) },
    drain: Duration::from_secs(20),
    linger: Duration::from_millis(5),
    adopt_after: Duration::from_secs(10 * 60),
    missing_row_retries: 3,
    retry_delay: Duration::from_secs(5),
};
