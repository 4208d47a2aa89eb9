//! The store on SQLite: one connection writes, a few read, all in one process or several.

mod outbox;
mod read;
mod write;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite, SqlitePool};
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

use crate::error::{Fault, OpenError, SchemaError};
use crate::options::{ConnectOptions, Target};
use crate::retry::retrying;
use crate::schema::{self, Health};

/// How long a statement waits for another process's lock before the transaction is rolled back and repeated.
const BUSY: Duration = Duration::from_secs(3);

/// A database file. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    /// One connection: writers of this process queue here in order, instead of racing for the file's lock.
    writer: SqlitePool,
    readers: SqlitePool,
    announces: bool,
}

impl SqliteStore {
    /// Opens the file, and makes an empty one, readable by its owner alone, where there is none.
    ///
    /// # Errors
    /// [`OpenError`]: the address is not `sqlite:PATH`, or the file cannot be opened or is none of SQLite's.
    pub async fn open(options: &ConnectOptions) -> Result<Self, OpenError> {
        let Target::Sqlite(path) = crate::options::parse(&options.url)? else {
            let why = "expected sqlite:PATH".to_owned();
            return Err(OpenError::Url { url: options.url.clone(), why });
        };
        create_private(&path).map_err(|source| OpenError::File { path: path.display().to_string(), source })?;
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(false)
            .disable_statement_logging();
        let pool = |connections: u32| {
            PoolOptions::<Sqlite>::new()
                .max_connections(connections)
                .acquire_timeout(options.connect_timeout)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let connecting =
            |error: sqlx::Error| OpenError::Connect(format!("{}: {}", path.display(), fault(&error).message()));
        let writer = pool(1).connect_with(connect.clone()).await.map_err(connecting)?;
        // Opening reads nothing: a file of another kind is noticed by the first statement.
        sqlx::query("SELECT count(*) FROM sqlite_master").execute(&writer).await.map_err(connecting)?;
        Ok(Self {
            writer,
            readers: pool(options.connections.max(1)).connect_lazy_with(connect),
            announces: options.announces,
        })
    }

    /// Brings the schema to this program's version. Two processes may do so at once.
    ///
    /// # Errors
    /// [`SchemaError`]; the database is then as it was before.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        let starting = |error: sqlx::Error| fault(&error).in_schema("begin");
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(starting)?;
        schema::sqlite::migrate(&mut transaction).await?;
        transaction.commit().await.map_err(|error| fault(&error).in_schema("commit"))
    }

    /// The version of the schema, 0 where taskwatch never was.
    ///
    /// # Errors
    /// [`SchemaError`]: the file cannot be read.
    pub async fn schema_version(&self) -> Result<u32, SchemaError> {
        let reading = |error: sqlx::Error| fault(&error).in_schema("read the version");
        let mut connection = self.readers.acquire().await.map_err(reading)?;
        schema::sqlite::version(&mut connection).await.map_err(|fault| fault.in_schema("read the version"))
    }

    /// Makes sure that the store can work with this database.
    ///
    /// # Errors
    /// [`SchemaError`]: what is in the way.
    pub async fn check(&self) -> Result<Health, SchemaError> {
        let reading = |error: sqlx::Error| fault(&error).in_schema("check");
        let mut connection = self.readers.acquire().await.map_err(reading)?;
        schema::sqlite::check(&mut connection).await?;
        let version: String =
            sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await.map_err(reading)?;
        Ok(Health { server: format!("SQLite {version}"), schema: schema::SCHEMA_VERSION, transport: "a file".into() })
    }

    /// Closes all connections, after which the database is one file again.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        Ok(retrying(|| write::insert(&self.writer, self.announces, tasks, origin, now)).await?)
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        Ok(retrying(|| write::transact(&self.writer, self.announces, select, decide)).await?)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        Ok(retrying(|| write::extend(&self.writer, leases, until)).await?)
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        crate::outbox::take(limit, |limit| outbox::take(&self.writer, limit, now, again)).await
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        Ok(retrying(|| outbox::published(&self.writer, numbers)).await?)
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        Ok(retrying(|| read::list(&self.readers, filter)).await?)
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let after = after.map_or(0, TaskId::get);
        Ok(retrying(|| read::records(&self.readers, after, i64::MAX, limit)).await?)
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        Ok(retrying(|| read::any_open(&self.readers)).await?)
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        Ok(retrying(|| read::records(&self.readers, task.get() - 1, task.get(), 1)).await?.pop())
    }

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        Ok(retrying(|| read::several(&self.readers, tasks)).await?)
    }
}

/// SQLite would make the file readable by everybody; its journal takes over the file's rights.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// What an error means when the transaction was not being committed.
pub(crate) fn fault(error: &sqlx::Error) -> Fault {
    let why = error.to_string();
    let code = match error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1),
        sqlx::Error::PoolTimedOut => return Fault::Unavailable("no connection became free in time".into()),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => return Fault::Unavailable(why),
        _ => return Fault::Refused(why),
    };
    // The low byte is the primary code: https://www.sqlite.org/rescode.html
    match code & 0xff {
        5 | 6 => Fault::Again(why),
        7 | 10 | 13 | 14 => Fault::Unavailable(why),
        1 if why.contains("no such table") || why.contains("no such column") => {
            Fault::Refused(format!("{why}: run `taskwatch migrate` on this database"))
        }
        _ => Fault::Refused(why),
    }
}

/// What an error means when it was answered to COMMIT.
fn commit_fault(error: &sqlx::Error) -> Fault {
    match fault(error) {
        // The file system failed while the log was written: it may hold the commit or not.
        Fault::Unavailable(why) if !why.contains("full") => Fault::Unknown(why),
        other => other,
    }
}
