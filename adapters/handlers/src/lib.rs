//! What runs a task: implementations of core's [`Handler`](taskwatch_core::ports::Handler) on tokio.
//!
//! - [`Command`] runs a program, [`Http`] calls a service, [`Simulate`] pretends to work.
//! - [`Spawned`] puts any handler on a task of its own, so that one that blocks does not hold up the rest.
//! - [`TokioClock`] and [`SystemEntropy`] are the small ports that every program on tokio needs.
//!
//! All of them end what they have started when their future is dropped: that is how the engine stops an attempt whose
//! time is up or whose lease is lost. None of them reads taskwatch's configuration; they are built from values.
//! `examples/own_handler.rs` shows how to write one of your own.

#[cfg(unix)]
mod command;
#[cfg(feature = "http")]
mod http;
mod payload;
mod retry_after;
mod runtime;
mod simulate;
mod spawned;
#[cfg(test)]
mod testing;
mod text;

#[cfg(unix)]
pub use command::{Command, InvalidCommand, PERMANENT_EXIT_CODES, kill_all_groups};
#[cfg(feature = "http")]
pub use http::{Http, InvalidHttp};
pub use retry_after::MAX_RETRY_AFTER;
pub use runtime::{SystemEntropy, TokioClock};
pub use simulate::{InvalidSimulation, Simulate, Simulation};
pub use spawned::Spawned;
