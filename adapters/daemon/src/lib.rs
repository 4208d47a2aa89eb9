//! What a program that keeps running needs of its machine: signals that stop it, a name for the ledger, an HTTP server with
//! bounds on its clients, word to systemd, an eye on the clock.
//!
//! It knows nothing of tasks, settings or AWS.

mod leaps;
mod process;
pub mod server;
pub mod signals;
pub mod systemd;

pub use leaps::Leaps;
pub use process::process_name;
