//! The init phase: from the environment to an engine with an open database.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_settings::{BatchReport, Settings};
use taskwatch_sqs_lambda::{Batches, Options, Report};

use crate::database::Database;
use crate::{log, work};

/// Lambda gives the init phase 10 s, of which the rest takes little.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that invocations need.
pub(crate) async fn batches() -> anyhow::Result<Batches> {
    let settings = settings()?;
    log::set_up(&settings);
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        bail!("AWS_LAMBDA_RUNTIME_API is not set: this program is a Lambda function, and AWS Lambda starts it");
    }
    let database = Arc::new(Database::new(&settings)?);
    let engine = work::engine(&settings, Arc::<Database>::clone(&database), origin(&settings))?;
    let report = match settings.lambda.report {
        BatchReport::Whole => Report::WholeBatch,
        BatchReport::Partial => Report::Partial,
    };
    let options = Options { report, margin: settings.lambda.margin };
    let batches = Batches::new(Arc::new(engine), options).context("failed to take lambda.margin")?;
    match tokio::time::timeout(PATIENCE, database.open()).await {
        Ok(Err(error)) if error.is_final() => return Err(error.into()),
        // The first batch asks again, and says what is wrong should it still be.
        Ok(Err(error)) => tracing::debug!("failed to {error}"),
        Ok(Ok(_)) | Err(_) => {}
    }
    Ok(batches)
}

fn settings() -> anyhow::Result<Settings> {
    // Nobody can give flags, and the current folder is the deployed package: a file there counts as everywhere else.
    let none: Option<&Path> = None;
    let env = taskwatch_settings::environment().map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    taskwatch_settings::load(none, env, &[]).map_err(|error| anyhow::anyhow!("failed to {error}"))
}

/// Names the log stream, where whoever reads the ledger finds the rest.
fn origin(settings: &Settings) -> Origin {
    let named = settings.worker.name.clone().or_else(|| lambda("AWS_LAMBDA_LOG_STREAM_NAME"));
    let named = named.or_else(|| lambda("AWS_LAMBDA_FUNCTION_NAME"));
    Origin::new(Source::Lambda, named.unwrap_or_else(|| "lambda".to_owned()))
}

/// What Lambda says about the environment; settings are not read like this.
fn lambda(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
