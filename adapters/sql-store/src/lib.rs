//! The fenced store: core's `Store`, `Records` and `Outbox` ports on SQLite and on MySQL or MariaDB.
//!
//! Every batch is one transaction with a number of statements that does not depend on its size: lock and read the rows,
//! let core decide, write rows (compare-and-set) and ledger, commit. On MySQL that takes two round trips, and one more
//! to find out without locking whether anything is due.
//!
//! Features: `sqlite` and `mysql` (both on by default; a program with only one of them links nothing of the other),
//! `native-roots` (on by default: MySQL servers are trusted by the authorities of this machine, not by Mozilla's), `aws`
//! (passwords from Secrets Manager and RDS IAM tokens).
//!
//! What this crate does not do: decide anything about a task, wait for work, or run by a clock of its own; times come
//! from the caller, except for the defaults of rows that another program inserts.

#[cfg(not(any(feature = "sqlite", feature = "mysql")))]
compile_error!("taskwatch-sql-store needs at least one of the features sqlite and mysql");

mod batch;
mod error;
mod limits;
#[cfg(feature = "mysql")]
mod mysql;
mod options;
mod outbox;
#[cfg(feature = "mysql")]
mod password;
mod plan;
mod records;
mod retry;
mod rows;
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

pub use error::{OpenError, SchemaError};
pub use limits::{Misfit, check_task};
#[cfg(feature = "mysql")]
pub use mysql::MySqlStore;
pub use options::{ConnectOptions, PasswordSource, TlsMode};
pub use schema::{Health, SCHEMA_VERSION};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::SqlStore;
