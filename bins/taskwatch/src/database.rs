//! From the database section to an open store.

use std::sync::Arc;

use taskwatch_settings::{DatabasePlace, Origin, Settings};
use taskwatch_sql_store::{ConnectOptions, SchemaError, SqlStore};
use taskwatch_wiring::connect_options;

use crate::exit::Failed;

/// Whether a command may begin with an empty database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It brings tasks, so an SQLite file is made where there is none.
    Create,
    /// It works tasks: the default file is made, so that there is nothing to configure; one that somebody has named is
    /// more likely misspelt.
    CreateDefault,
    /// It asks about tasks: a file that is not there is more likely a misspelt name.
    Refuse,
}

/// Opens the database that the settings name.
///
/// An SQLite file is migrated on the spot: it has one owner, who has just called. A server is shared, so its schema is
/// changed by `taskwatch migrate` alone.
pub(crate) async fn open(settings: &Settings, missing: Missing) -> Result<Arc<SqlStore>, Failed> {
    let expected = match missing {
        Missing::Create => false,
        Missing::CreateDefault => is_named(settings),
        Missing::Refuse => true,
    };
    if expected {
        refuse_missing(&settings.database.place)?;
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

/// Fails where an SQLite file is not there: opening it would make it.
pub(crate) fn refuse_missing(place: &DatabasePlace) -> Result<(), Failed> {
    match place {
        DatabasePlace::Sqlite(path) if !path.exists() => Err(Failed::NoDatabase(format!(
            "there is no database at {}: name another with --database, or make this one with `taskwatch migrate` or \
             `taskwatch add`",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Whether somebody has said which database.
fn is_named(settings: &Settings) -> bool {
    settings.effective().iter().any(|setting| setting.key == "database.url" && setting.origin != Origin::Default)
}

/// Connects, without a look at the schema.
pub(crate) async fn connect(settings: &Settings) -> Result<SqlStore, Failed> {
    open_with(&connect_options(settings)).await
}

/// Connects with these options.
pub(crate) async fn open_with(options: &ConnectOptions) -> Result<SqlStore, Failed> {
    SqlStore::open(options).await.map_err(|error| Failed::Open { place: options.url.clone(), error })
}
