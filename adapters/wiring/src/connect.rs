//! How to reach the database.

use taskwatch_settings::{Database, DatabasePlace, Password, Settings, Tls};
use taskwatch_sql_store::{ConnectOptions, PasswordSource, TlsMode};

/// What the sections `database` and `aws` say, for the store.
///
/// Announcements are written where `announce.target` says that somebody publishes them.
#[must_use]
pub fn connect_options(settings: &Settings) -> ConnectOptions {
    let Database { place, connections, connect_timeout } = &settings.database;
    let (connections, connect_timeout) = (*connections, *connect_timeout);
    let announces = settings.announce.target.is_some();
    match place {
        DatabasePlace::Sqlite(path) => {
            let url = format!("sqlite:{}", path.display());
            ConnectOptions { connections, connect_timeout, announces, ..ConnectOptions::new(url) }
        }
        DatabasePlace::MySql(server) => {
            let region = settings.aws.region.clone();
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
            ConnectOptions { url: place.to_string(), password, tls, ca_file, connections, connect_timeout, announces }
        }
    }
}
