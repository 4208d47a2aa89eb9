//! The store, opened when it can be.

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_settings::{DatabasePlace, Settings};
use taskwatch_sql_store::{ConnectOptions, OpenError, SchemaError, SqlStore};
use taskwatch_wiring::connect_options;
use tokio::sync::OnceCell;

/// Why there is no store (yet): phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoStore {
    /// It is not a server.
    #[error("use database.url {0}: the Lambda function works on MySQL or MariaDB, mysql://USER@HOST:PORT/DATABASE")]
    NotAServer(String),
    /// It cannot be reached, or not with these settings.
    #[error("open {place}: failed to {error}")]
    Open { place: String, error: OpenError },
    /// It is not migrated, or not for this program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl NoStore {
    /// Whether no later attempt of this process can succeed.
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::NotAServer(_) => true,
            Self::Open { error, .. } => !matches!(error, OpenError::Connect(_)),
            Self::Schema(_) => false,
        }
    }
}

/// Opened at init, or else by whoever asks first once it can be. Invocations at once open it once.
pub(crate) struct Database {
    options: ConnectOptions,
    store: OnceCell<SqlStore>,
}

impl Database {
    /// As the settings say; nothing is opened yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, NoStore> {
        if let DatabasePlace::Sqlite(_) = &settings.database.place {
            return Err(NoStore::NotAServer(settings.database.place.to_string()));
        }
        Ok(Self { options: connect_options(settings), store: OnceCell::new() })
    }

    /// The open store, its schema checked.
    pub(crate) async fn open(&self) -> Result<&SqlStore, NoStore> {
        let open = || async {
            let place = || self.options.url.clone();
            let opened = SqlStore::open(&self.options).await;
            let store = opened.map_err(|error| NoStore::Open { place: place(), error })?;
            match store.check().await {
                Ok(_) => Ok(store),
                Err(error) => {
                    store.close().await;
                    Err(error.into())
                }
            }
        };
        self.store.get_or_try_init(open).await
    }

    /// Not opened counts as down, whatever the reason: a migration or a new password can change it at any time.
    async fn store(&self) -> Result<&SqlStore, StoreError> {
        self.open().await.map_err(|error| StoreError::Unavailable(format!("failed to {error}")))
    }
}

#[async_trait]
impl Store for Database {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.store().await?.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        self.store().await?.transact(select, decide).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.store().await?.extend(leases, until).await
    }
}

#[async_trait]
impl Records for Database {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.store().await?.list(filter).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.store().await?.records(after, limit).await
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.store().await?.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.store().await?.record(task).await
    }
}

#[async_trait]
impl Outbox for Database {
    async fn take(&self, limit: usize, now: Timestamp, again: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        self.store().await?.take(limit, now, again).await
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        self.store().await?.published(numbers).await
    }
}
