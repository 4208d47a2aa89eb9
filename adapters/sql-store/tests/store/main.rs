//! The store on real databases.

#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "mysql")]
mod mysql_faults;
#[cfg(feature = "mysql")]
mod mysql_open;
#[cfg(feature = "mysql")]
mod mysql_schema;
mod odd_cells;
mod outbox;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
