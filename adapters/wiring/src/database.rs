//! The store, opened when it can be.

use std::fmt;

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Filter, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_settings::Settings;
use taskwatch_sql_store::{ConnectOptions, OpenError, SchemaError, SqlStore};
use tokio::sync::OnceCell;

use crate::connect_options;

/// Why there is no store (yet): phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub enum NoStore {
    /// It cannot be reached, or not with these settings.
    #[error("open {place}: failed to {error}")]
    Open {
        /// Its address, which holds no password.
        place: String,
        /// What stands in the way.
        error: OpenError,
    },
    /// It is not migrated, or not for this program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl NoStore {
    /// Whether no later attempt of this process can succeed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Open { error, .. } => !matches!(error, OpenError::Connect(_)),
            Self::Schema(_) => false,
        }
    }
}

/// A store that is opened at the start, or else by whoever asks first once it can be; those who ask at once open it once.
/// Until then it answers that it is not available.
pub struct Database {
    options: ConnectOptions,
    store: OnceCell<SqlStore>,
}

impl Database {
    /// As the settings say; nothing is opened yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { options: connect_options(settings), store: OnceCell::new() }
    }

    /// The open store, its schema checked.
    ///
    /// # Errors
    /// [`NoStore`] says whether trying again makes sense.
    pub async fn open(&self) -> Result<&SqlStore, NoStore> {
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

    /// Closes its connections, if there are any.
    pub async fn close(&self) {
        if let Some(store) = self.store.get() {
            store.close().await;
        }
    }

    /// Not opened counts as down, whatever the reason: a migration or a new password can change it at any time.
    async fn store(&self) -> Result<&SqlStore, StoreError> {
        self.open().await.map_err(|error| StoreError::Unavailable(format!("failed to {error}")))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("place", &self.options.url)
            .field("is_open", &self.store.initialized())
            .finish()
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

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        self.store().await?.several(tasks).await
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
