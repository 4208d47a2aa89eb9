//! The one table of settings, for all of taskwatch's binaries: flags over environment over a TOML file over defaults.
//!
//! This crate alone reads the environment. It looks at nothing else outside: no network, and of files the configuration
//! file only. Passwords never pass through it: settings say where they are.
//!
//! [`Settings`] holds values that have been checked, each for itself and all together; whatever is unknown, does not fit
//! or contradicts another setting is refused by name, everything at once ([`SettingsError`]). What there is to set stands
//! in one place, with its documentation: [`table`] and [`markdown_table`] are made from the same definitions.
//!
//! ```
//! # fn main() -> Result<(), taskwatch_settings::SettingsError> {
//! let flags = [("worker.lease".to_owned(), "90s".to_owned())];
//! let env = [("TASKWATCH_WORKER_LEASE".to_owned(), "2m".to_owned())];
//! let settings = taskwatch_settings::load(None, env, &flags)?;
//! assert_eq!(settings.worker.lease.as_secs(), 90);
//! # Ok(())
//! # }
//! ```

mod check;
mod database;
mod definitions;
mod error;
mod given;
mod handler;
mod kinds;
mod layers;
mod place;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use confique::Config;

use crate::check::Check;
use crate::definitions::Definitions;
use crate::layers::Layers;

pub use crate::database::{Database, DatabasePlace, MySql, Password, Tls};
pub use crate::definitions::{
    Announce, Aws, BatchReport, DeadLetters, Intake, Lambda, Log, LogFormat, LogLevel, Queue, Replay, Role, Worker,
};
pub use crate::error::{Origin, Problem, SettingsError};
pub use crate::handler::{Handler, Simulate, Work};
pub use crate::table::{SettingDoc, markdown_table, table};
/// The type of [`Work::Http`]'s address.
pub use url::Url;

/// All settings, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which database, and how to get in.
    pub database: Database,
    /// How AWS is reached.
    pub aws: Aws,
    /// What works a task.
    pub handler: Handler,
    /// How tasks are claimed, repeated and given back.
    pub worker: Worker,
    /// The API that adds tasks over HTTP.
    pub intake: Intake,
    /// Where the tasks that are added or put back are announced.
    pub announce: Announce,
    /// What is done to the messages of a queue.
    pub queue: Queue,
    /// What the Lambda function does, and how it answers its queue.
    pub lambda: Lambda,
    /// How dead letters are dealt with.
    pub replay: Replay,
    /// What is logged, and how.
    pub log: Log,
    effective: Vec<Effective>,
}

/// A setting as it counts now, for `taskwatch settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its key.
    pub key: &'static str,
    /// Its value as it would be written on the command line; `None` where there is none. Never a secret.
    pub value: Option<String>,
    /// Who gave it.
    pub origin: Origin,
}

impl Settings {
    /// Every setting with its value and where that came from, in the order of [`table`].
    ///
    /// A value that was put aside, because a higher layer chose something that excludes it, is not among them.
    #[must_use]
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }
}

/// The variables of this process that are settings: the only place where the environment is read.
///
/// # Errors
/// When such a variable is not UTF-8. Others are not looked at.
pub fn environment() -> Result<Vec<(String, String)>, SettingsError> {
    settings_among(std::env::vars_os())
}

/// Reads the settings.
///
/// `file` is a TOML file that must be there. Without it, `TASKWATCH_CONFIG` in `env` names one that must be there; without
/// that, `taskwatch.toml` in the current folder is read where there is one. `env` is what [`environment`] answers, or
/// anything else in a test; empty values count as unset. `overrides` are dotted keys with their values, as the command
/// line gives them.
///
/// # Errors
/// [`SettingsError`] with everything that is wrong: it takes values that do not fit and unknown names first, and looks for
/// contradictions once there are none.
pub fn load(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<Settings, SettingsError> {
    load_in(Path::new(""), file, env, overrides)
}

fn load_in(
    folder: &Path,
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<Settings, SettingsError> {
    let env: BTreeMap<_, _> =
        env.into_iter().filter(|(name, value)| layers::concerns(name) && !value.is_empty()).collect();
    let mut layers = Layers::gather(folder, file, &env, overrides);
    let merged = layers.merge();
    let Layers { mut given, mut problems } = layers;
    if !problems.is_empty() {
        return Err(SettingsError(problems));
    }
    // Only a setting with neither a value nor a default could be missing, and every setting is one or the other.
    let Definitions { database, aws, handler, worker, intake, announce, queue, lambda, replay, log } =
        Definitions::from_layer(merged).map_err(|error| SettingsError(vec![Problem::Incomplete(error.to_string())]))?;
    let mut check = Check { given: &mut given, problems: &mut problems };
    let database = Database::check(database, &mut check);
    let handler = Handler::check(handler, &mut check);
    if worker.backoff_base > worker.backoff_cap {
        check.together(["worker.backoff_base", "worker.backoff_cap"], "the base must not be longer than the cap");
    }
    if !problems.is_empty() {
        return Err(SettingsError(problems));
    }
    let effective = table()
        .iter()
        .map(|setting| match given.remove(setting.key) {
            Some((value, origin)) => Effective { key: setting.key, value: Some(value.written()), origin },
            None => Effective { key: setting.key, value: setting.default.clone(), origin: Origin::Default },
        })
        .collect();
    Ok(Settings { database, aws, handler, worker, intake, announce, queue, lambda, replay, log, effective })
}

fn settings_among(
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let mut settings = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| layers::concerns(name)) else { continue };
        match value.into_string() {
            Ok(value) => settings.push((name.to_owned(), value)),
            Err(_) => problems.push(Problem::NotText(name.to_owned())),
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(SettingsError(problems)) }
}

#[cfg(test)]
mod tests;
