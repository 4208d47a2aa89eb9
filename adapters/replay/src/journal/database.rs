//! What goes wrong in the file.

use std::path::{Path, PathBuf};

use sqlx::{Sqlite, SqlitePool, Transaction};

/// The journal's file failed: a full disk, a lost share, a damaged file. What was to be written is not, or the process
/// that comes next finds it. Phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
#[error("{doing} in the journal {path}: {why}")]
pub struct DatabaseError {
    /// What was to be done.
    pub doing: &'static str,
    /// The file.
    pub path: PathBuf,
    /// SQLite's words.
    pub why: String,
}

/// The open file.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) pool: SqlitePool,
    pub(crate) path: PathBuf,
}

impl Database {
    pub(crate) fn failed(&self, doing: &'static str) -> impl Fn(sqlx::Error) -> DatabaseError + Copy + '_ {
        failed(&self.path, doing)
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self, doing: &'static str) -> Result<Transaction<'static, Sqlite>, DatabaseError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed(doing))
    }
}

pub(crate) fn failed<'a>(path: &'a Path, doing: &'static str) -> impl Fn(sqlx::Error) -> DatabaseError + Copy + 'a {
    move |error| DatabaseError { doing, path: path.to_owned(), why: error.to_string() }
}

/// Numbers as one parameter.
pub(crate) fn json<'a>(numbers: impl IntoIterator<Item = &'a i64>) -> String {
    serde_json::Value::from(numbers.into_iter().copied().collect::<Vec<i64>>()).to_string()
}
