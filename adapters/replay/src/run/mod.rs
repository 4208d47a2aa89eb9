//! Replaying: what is to be done with each letter of a journal, and doing it, through an engine or by way of a queue.
//!
//! Nothing is replayed unseen: each letter is decided about with its task's row and ledger beside it ([`decide()`]). What is
//! to run is noted as begun before, and as settled after; a Failed task is put back under a mark of the letter and of the
//! time it was begun, so that whoever goes on after a crash sees in the ledger what has been done. A letter that is to be
//! tried again later stays in the journal, since nobody else may know of it.

mod decide;
mod engine;
mod over;
mod pace;
mod plan;
mod queue;
mod told;
mod turns;

pub use decide::{Decision, Rules, decide};
pub use engine::{JournalSource, Order, RunError};
pub use pace::{InvalidRate, Pace, Rate};
pub use plan::{Plan, PlanError, Planned};
pub use queue::{Destinations, QueueRunError, Sending};
pub use told::{Fate, Listener, Told};
