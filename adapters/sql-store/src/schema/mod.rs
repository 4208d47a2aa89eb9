//! The tables, and how a database comes to have them.
//!
//! Migrations only add: columns with defaults, an index, a table. A program that knows the original four columns alone
//! keeps working before, during and after. The version is kept in `taskwatch_schema`, one row for each step taken:
//!
//! 1. the columns of `tasks` beside the original four, its indexes, and `task_ledger`;
//! 2. `task_outbox`.

#[cfg(feature = "mysql")]
mod columns;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use crate::error::SchemaError;

/// The schema version that this program needs.
pub const SCHEMA_VERSION: u32 = 2;

/// Says what is wrong with a database at version `found`, if anything.
pub(crate) fn require_current(found: u32) -> Result<(), SchemaError> {
    refuse_newer(found)?;
    if found < SCHEMA_VERSION { Err(SchemaError::Older { found, known: SCHEMA_VERSION }) } else { Ok(()) }
}

/// A database that a newer program has migrated must not be touched.
pub(crate) fn refuse_newer(found: u32) -> Result<(), SchemaError> {
    if found > SCHEMA_VERSION { Err(SchemaError::Newer { found, known: SCHEMA_VERSION }) } else { Ok(()) }
}

/// What a check of a database found in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Product and version of the database.
    pub server: String,
    /// Version of the schema.
    pub schema: u32,
    /// How the connection is protected, in words.
    pub transport: String,
}
