//! The store on MySQL 8 and MariaDB 10.6 or later.

mod extend;
mod fault;
mod insert;
mod outbox;
pub(crate) mod packet;
mod read;
#[cfg(target_os = "linux")]
mod relay;
mod select;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod transact;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use deadpool::managed::Pool;
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

pub(crate) use self::fault::fault;
use self::select::Plenty;
use self::session::{Connector, Link};
use crate::error::{OpenError, SchemaError};
use crate::options::{ConnectOptions, PasswordSource, Target, TlsMode};
use crate::password::Credentials;
use crate::retry::retrying;
use crate::schema::{self, Health};

/// A database on a server. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct MySqlStore {
    pool: Pool<Connector>,
    plenty: Arc<Plenty>,
    /// Somebody keeps rows locked whose leases are to be renewed.
    held_up: Arc<AtomicBool>,
    announces: bool,
}

impl MySqlStore {
    /// Connects once, to find out early whether address, password and certificate are right.
    ///
    /// # Errors
    /// [`OpenError`]: the address or another setting is wrong, or the server cannot be reached, or not with these.
    pub async fn open(options: &ConnectOptions) -> Result<Self, OpenError> {
        let Target::MySql(target) = crate::options::parse(&options.url)? else {
            let why = "expected mysql://USER@HOST:PORT/DATABASE".to_owned();
            return Err(OpenError::Url { url: options.url.clone(), why });
        };
        let tls = match options.tls {
            TlsMode::Auto if target.is_local() => TlsMode::Prefer,
            TlsMode::Auto => TlsMode::Verify,
            other => other,
        };
        if matches!(options.password, PasswordSource::RdsIam { .. }) && tls != TlsMode::Verify {
            let why = "an RDS IAM token is sent in clear text: it needs a verified TLS connection (database.tls)";
            return Err(OpenError::Settings(why.to_owned()));
        }
        let credentials = Credentials::new(&options.password)?;
        let connector = Connector { target, credentials, tls, ca_file: options.ca_file.clone(), silence: None.into() };
        let pool = Pool::builder(connector)
            .max_size(usize::try_from(options.connections.max(1)).unwrap_or(1))
            .runtime(deadpool::Runtime::Tokio1)
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .build()
            .map_err(|error| OpenError::Settings(error.to_string()))?;
        let store = Self { pool, plenty: Arc::default(), held_up: Arc::default(), announces: options.announces };
        let link = Link::take(&store.pool).await.map_err(|fault| OpenError::Connect(fault.message().to_owned()))?;
        link.release();
        Ok(store)
    }

    /// Brings the schema to this program's version, in place. Two processes may do so at once, other programs may go on
    /// writing, and a process killed in the middle leaves nothing that the next one would stumble over.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        schema::mysql::migrate(&self.pool).await
    }

    /// The version of the schema, 0 where taskwatch never was.
    ///
    /// # Errors
    /// [`SchemaError`]: the server cannot be asked.
    pub async fn schema_version(&self) -> Result<u32, SchemaError> {
        schema::mysql::version(&self.pool).await
    }

    /// Makes sure that the store can work with this database.
    ///
    /// # Errors
    /// [`SchemaError`]: what is in the way.
    pub async fn check(&self) -> Result<Health, SchemaError> {
        schema::mysql::check(&self.pool).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        for session in self.pool.retain(|_, _| false).removed {
            session.close().await;
        }
        self.pool.close();
    }
}

#[async_trait]
impl Store for MySqlStore {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        Ok(retrying(|| insert::insert(&self.pool, self.announces, tasks, origin, now)).await?)
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        Ok(retrying(|| transact::transact(&self.pool, &self.plenty, self.announces, select, decide)).await?)
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        Ok(retrying(|| extend::extend(&self.pool, &self.held_up, leases, until)).await?)
    }
}

#[async_trait]
impl Outbox for MySqlStore {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        crate::outbox::take(limit, |limit| outbox::take(&self.pool, limit, now, again)).await
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        Ok(retrying(|| outbox::published(&self.pool, numbers)).await?)
    }
}

#[async_trait]
impl Records for MySqlStore {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        Ok(retrying(|| read::list(&self.pool, filter)).await?)
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let after = after.map_or(0, TaskId::get);
        Ok(retrying(|| read::records(&self.pool, after, i64::MAX, limit)).await?)
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        Ok(retrying(|| read::any_open(&self.pool)).await?)
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        Ok(retrying(|| read::records(&self.pool, task.get() - 1, task.get(), 1)).await?.pop())
    }

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        Ok(retrying(|| read::several(&self.pool, tasks)).await?)
    }
}
