//! Real servers for tests.
//!
//! A development dependency and nothing else: it starts programs, and `cargo xtask test` installs what they need.
//! Nothing here skips: a test that cannot have its server fails and says what to do.

mod aws;
mod frozen;
mod line;
mod mariadb;
mod process;
mod programs;
mod python;
mod reaper;
mod samples;
mod server;
mod tls;

#[cfg(feature = "front")]
pub use aws::{Asked, Calls, Fault, Front};
pub use aws::{Aws, AwsError, ENV_AWS, Queue};
pub use frozen::Frozen;
pub use line::Line;
pub use mariadb::{ENV_MARIADB, MariaDb, SqlError};
pub use process::StartError;
pub use programs::{MissingProgram, find_program};
pub use python::{ENV_PYTHON, PythonError, python};
pub use samples::{Sample, SampleError};
