//! The task state machine, its ledger, the engine that works deliveries, and the metric catalogue.
//!
//! This crate does no I/O. It knows no queue, no SQL, no AWS, no environment and no async runtime; it never asks the
//! time and never rolls dice: all of that comes through the [`ports`], so that a whole system can be stepped in virtual
//! time and repeated from a seed. CI checks the dependency tree and bans the calls.
//!
//! - [`task`], [`transition`], [`ledger`]: what a task is and what it may become
//! - [`engine`]: claims, runs and settles batches of deliveries; [`due`] feeds it from the task table itself
//! - [`laws`]: the books, and whether they balance
//! - [`metric`]: the catalogue; [`ports`]: what adapters implement
#![doc = include_str!("../event_source.md")]

mod condition;
pub mod delivery;
pub mod diagram;
mod draft;
pub mod due;
pub mod engine;
pub mod groups;
pub mod laws;
pub mod ledger;
pub mod metric;
pub mod outbox;
pub mod policy;
pub mod ports;
pub mod stop;
pub mod task;
pub mod time;
pub mod trace;
pub mod transition;
