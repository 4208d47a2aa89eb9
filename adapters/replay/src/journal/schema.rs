//! The tables, and the connection to them.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite, SqliteConnection, SqlitePool};

/// Others only look, and briefly.
const BUSY: Duration = Duration::from_secs(10);

/// What changes stands apart from the messages themselves: a change writes little, and looking through a million entries
/// reads no bodies.
const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE runs (
        run INTEGER PRIMARY KEY, who TEXT NOT NULL, reason TEXT, pid INTEGER NOT NULL, begun_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE commands (
        run INTEGER PRIMARY KEY, command TEXT NOT NULL, has_ended INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        identity BLOB NOT NULL UNIQUE,
        state INTEGER NOT NULL,
        captured_at INTEGER NOT NULL,
        times INTEGER NOT NULL DEFAULT 1,
        message_id TEXT,
        line INTEGER,
        record INTEGER,
        changed_at INTEGER,
        run INTEGER,
        begins INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        why TEXT,
        destination TEXT
    ) STRICT;
    CREATE TABLE contents (
        number INTEGER PRIMARY KEY, body BLOB, system TEXT, attributes TEXT, broken TEXT, edited TEXT
    ) STRICT;
    CREATE TABLE receipts (
        number INTEGER PRIMARY KEY, receipt TEXT, good_until INTEGER NOT NULL, hidden_until INTEGER NOT NULL
    ) STRICT;
";

pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(false)
        // In KiB: the index of a million identities is some 40 MiB.
        .pragma("cache_size", "-32768")
        .disable_statement_logging()
}

/// One connection: what is written is written in order, and read behind it.
pub(crate) async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    PoolOptions::<Sqlite>::new()
        .max_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
}

/// Whether there is nothing in the file yet. The first statement to notice that a file is none of SQLite's.
pub(crate) async fn is_empty(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(connection).await?;
    Ok(tables == 0)
}

pub(crate) async fn create(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(TABLES).execute(connection).await?;
    Ok(())
}
