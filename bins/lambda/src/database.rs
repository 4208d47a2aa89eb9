//! The store, opened when it can be.

use async_trait::async_trait;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::{Decide, Inserted, Lease, Seen, Select, Store, StoreError};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_settings::{Database as Section, DatabasePlace, Password, Settings, Tls};
use taskwatch_sql_store::{ConnectOptions, OpenError, PasswordSource, SchemaError, SqlStore, TlsMode};
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
        Ok(Self { options: options(&settings.database, settings.aws.region.as_deref())?, store: OnceCell::new() })
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

fn options(section: &Section, region: Option<&str>) -> Result<ConnectOptions, NoStore> {
    let Section { place, connections, connect_timeout } = section;
    let DatabasePlace::MySql(server) = place else { return Err(NoStore::NotAServer(place.to_string())) };
    let region = region.map(str::to_owned);
    let password = match &server.password {
        Password::None => PasswordSource::None,
        Password::File(path) => PasswordSource::File(path.clone()),
        Password::Secret(secret) => PasswordSource::SecretsManager { secret: secret.clone(), region },
        Password::IamToken => PasswordSource::RdsIam { region },
    };
    let (tls, ca_file) = match &server.tls {
        Tls::Verify { ca_file } => (TlsMode::Verify, ca_file.clone()),
        Tls::Prefer => (TlsMode::Prefer, None),
        Tls::Off => (TlsMode::Disable, None),
    };
    let (connections, connect_timeout) = (*connections, *connect_timeout);
    Ok(ConnectOptions {
        password,
        tls,
        ca_file,
        connections,
        connect_timeout,
        ..ConnectOptions::new(place.to_string())
    })
}
