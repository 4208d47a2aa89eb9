//! The init phase: from the environment to whatever the function is for, with an open database.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_settings::{DatabasePlace, Role, Settings};
use taskwatch_wiring::Database;

#[cfg(feature = "intake")]
use crate::intake::Desk;
use crate::log;
use crate::process::Worker;

/// Lambda gives the init phase 10 s, of which the rest takes little.
const PATIENCE: Duration = Duration::from_secs(5);

/// What invocations are answered by.
pub(crate) enum Function {
    Process(Worker),
    #[cfg(feature = "intake")]
    Intake(Desk),
}

/// What the settings say, ready to be invoked.
pub(crate) async fn function() -> anyhow::Result<Function> {
    let settings = settings()?;
    log::set_up(&settings);
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        bail!("AWS_LAMBDA_RUNTIME_API is not set: this program is a Lambda function, and AWS Lambda starts it");
    }
    if let DatabasePlace::Sqlite(_) = &settings.database.place {
        let place = &settings.database.place;
        bail!(
            "failed to use database.url {place}: the Lambda function works on MySQL or MariaDB, mysql://USER@HOST:PORT/DATABASE"
        );
    }
    let database = Arc::new(Database::new(&settings));
    let function = match settings.lambda.role {
        Role::Process => Function::Process(Worker::new(&settings, Arc::clone(&database), origin(&settings))?),
        #[cfg(feature = "intake")]
        Role::Intake => Function::Intake(Desk::new(&settings, Arc::clone(&database), origin(&settings)).await?),
        #[cfg(not(feature = "intake"))]
        Role::Intake => bail!("failed to use lambda.role intake: this program was built without the feature intake"),
    };
    match tokio::time::timeout(PATIENCE, database.open()).await {
        Ok(Err(error)) if error.is_final() => return Err(failed(error)),
        // The first invocation asks again, and says what is wrong should it still be.
        Ok(Err(error)) => tracing::debug!("failed to {error}"),
        Ok(Ok(_)) | Err(_) => {}
    }
    Ok(function)
}

fn settings() -> anyhow::Result<Settings> {
    // Nobody can give flags, and the current folder is the deployed package: a file there counts as everywhere else.
    let none: Option<&Path> = None;
    let env = taskwatch_settings::environment().map_err(failed)?;
    taskwatch_settings::load(none, env, &[]).map_err(failed)
}

/// An error that is phrased to follow «failed to».
pub(crate) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}

/// Names the log stream, where whoever reads the ledger finds the rest.
fn origin(settings: &Settings) -> Origin {
    let named = settings.worker.name.clone().or_else(|| lambda("AWS_LAMBDA_LOG_STREAM_NAME"));
    let named = named.or_else(|| lambda("AWS_LAMBDA_FUNCTION_NAME"));
    Origin::new(Source::Lambda, named.unwrap_or_else(|| "lambda".to_owned()))
}

/// Whether this environment is one of a Lambda Managed Instance, which hands over several invocations at once.
pub(crate) fn takes_invocations_at_once() -> bool {
    lambda("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|most| most.parse::<u32>().ok()).is_some_and(|most| most > 1)
}

/// What Lambda says about the environment; settings are not read like this.
fn lambda(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
