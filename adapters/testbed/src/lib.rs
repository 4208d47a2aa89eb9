//! Real servers for tests.
//!
//! A development dependency and nothing else: it starts programs, and `cargo xtask test` installs what they need.
//! Nothing here skips: a test that cannot have its server fails and says what to do.

mod mariadb;
mod programs;
mod python;
mod reaper;
mod server;
mod tls;

pub use mariadb::{ENV_MARIADB, MariaDb, SqlError};
pub use programs::{MissingProgram, find_program};
pub use python::{ENV_PYTHON, PythonError, python};
pub use server::StartError;
