//! From the database section to an open store.

use std::path::Path;
use std::sync::Arc;

use taskwatch_settings::{Database, DatabasePlace, Password, Settings, Tls};
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SchemaError, SqlStore, TlsMode};

use crate::exit::Failed;

/// Whether a command may begin with an empty database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It brings tasks, so an SQLite file is made where there is none.
    Create,
    /// It asks about tasks: a file that is not there is more likely a misspelt name.
    Refuse,
}

/// Opens the database that the settings name.
///
/// An SQLite file is migrated on the spot: it has one owner, who has just called. A server is shared, so its schema is
/// changed by `taskwatch migrate` alone.
pub(crate) async fn open(settings: &Settings, missing: Missing) -> Result<Arc<SqlStore>, Failed> {
    if let (DatabasePlace::Sqlite(path), Missing::Refuse) = (&settings.database.place, missing)
        && !path.exists()
    {
        return Err(Failed::NoDatabase(format!(
            "there is no database at {}: name another with --database, or make one with `taskwatch add` or `migrate`",
            path.display()
        )));
    }
    let store = connect(settings).await?;
    match (store.check().await, &settings.database.place) {
        (Err(SchemaError::Older { .. }), DatabasePlace::Sqlite(_)) => {
            store.migrate().await?;
            store.check().await?;
        }
        (checked, _) => {
            checked?;
        }
    }
    Ok(Arc::new(store))
}

/// Connects, without a look at the schema.
pub(crate) async fn connect(settings: &Settings) -> Result<SqlStore, Failed> {
    Ok(SqlStore::open(&options(&settings.database, settings.aws.region.as_deref())).await?)
}

/// The address of a file, for the store.
pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn options(database: &Database, region: Option<&str>) -> ConnectOptions {
    let Database { place, connections, connect_timeout } = database;
    let mut options = match place {
        DatabasePlace::Sqlite(path) => ConnectOptions::new(sqlite_url(path)),
        DatabasePlace::MySql(server) => {
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
            ConnectOptions { password, tls, ca_file, ..ConnectOptions::new(place.to_string()) }
        }
    };
    options.connections = *connections;
    options.connect_timeout = *connect_timeout;
    options
}
