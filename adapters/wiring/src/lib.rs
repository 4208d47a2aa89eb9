//! From checked settings to the parts that a binary plugs together: how to reach the database, what works a task, by which
//! policy, who announces what is added, and what is logged.
//!
//! What is the same in every binary stands here once; what differs, such as when a database is opened and what ends the
//! process, is the binary's own. Nothing is opened or called here, except that credentials are looked for.

mod connect;
mod database;
mod handler;
#[cfg(feature = "intake")]
mod intake;
mod log;
mod policy;
#[cfg(feature = "queue")]
mod queue;
mod relay;

pub use connect::connect_options;
pub use database::{Database, NoStore};
pub use handler::{HandlerError, handler, no_work};
#[cfg(feature = "intake")]
pub use intake::{IntakeError, intake_options};
pub use log::{Logger, set_up_log};
pub use policy::policy;
#[cfg(feature = "queue")]
pub use queue::{payloads, queues};
pub use relay::{Announcing, RelayError, relay};
#[cfg(feature = "announce")]
pub use relay::{LookError, announce};
