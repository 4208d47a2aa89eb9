//! Either database behind one type.

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

use crate::error::{OpenError, SchemaError};
use crate::options::{ConnectOptions, Target, parse};
use crate::schema::Health;

/// A database of tasks, of whichever kind its address names. Cloning shares its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SqlStore {
    /// A file.
    #[cfg(feature = "sqlite")]
    Sqlite(crate::SqliteStore),
    /// A server.
    #[cfg(feature = "mysql")]
    MySql(crate::MySqlStore),
}

/// Does the same on whichever it is.
macro_rules! either {
    ($self:expr, $store:ident => $body:expr) => {
        match $self {
            #[cfg(feature = "sqlite")]
            SqlStore::Sqlite($store) => $body,
            #[cfg(feature = "mysql")]
            SqlStore::MySql($store) => $body,
        }
    };
}

impl SqlStore {
    /// Opens the database that the address names.
    ///
    /// # Errors
    /// [`OpenError`]; a server that does not answer within the connect timeout is one.
    pub async fn open(options: &ConnectOptions) -> Result<Self, OpenError> {
        match parse(&options.url)? {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(_) => Ok(Self::Sqlite(crate::SqliteStore::open(options).await?)),
            #[cfg(feature = "mysql")]
            Target::MySql(_) => Ok(Self::MySql(crate::MySqlStore::open(options).await?)),
            #[cfg(not(all(feature = "sqlite", feature = "mysql")))]
            _ => Err(OpenError::Url {
                url: options.url.clone(),
                why: format!(
                    "this program was built for {} only",
                    if cfg!(feature = "mysql") { "MySQL" } else { "SQLite" }
                ),
            }),
        }
    }

    /// Brings the schema to this program's version. Two processes may do so at once, and a process killed in the middle
    /// leaves nothing that the next one would stumble over.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        either!(self, store => store.migrate().await)
    }

    /// The version of the schema, 0 where taskwatch never was.
    ///
    /// # Errors
    /// [`SchemaError`]: the database cannot be read.
    pub async fn schema_version(&self) -> Result<u32, SchemaError> {
        either!(self, store => store.schema_version().await)
    }

    /// Makes sure that the store can work with this database: version, tables, engine.
    ///
    /// # Errors
    /// [`SchemaError`]: what is in the way and what to do about it.
    pub async fn check(&self) -> Result<Health, SchemaError> {
        either!(self, store => store.check().await)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        either!(self, store => store.close().await);
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        either!(self, store => store.insert(tasks, origin, now).await)
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        either!(self, store => store.transact(select, decide).await)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        either!(self, store => store.extend(leases, until).await)
    }
}

#[async_trait]
impl Outbox for SqlStore {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        either!(self, store => store.take(limit, now, again).await)
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        either!(self, store => store.published(numbers).await)
    }
}

#[async_trait]
impl Records for SqlStore {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        either!(self, store => store.list(filter).await)
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        either!(self, store => store.records(after, limit).await)
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        either!(self, store => store.any_open().await)
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        either!(self, store => store.record(task).await)
    }

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        either!(self, store => store.several(tasks).await)
    }
}
