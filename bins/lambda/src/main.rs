//! `bootstrap`: the Lambda function that works the tasks an SQS queue announces.
//!
//! Settings come from `TASKWATCH_*` variables, over a `taskwatch.toml` in the deployed package. Whatever is wrong with them ends the init phase with a message that
//! names it; a database that cannot be reached does not: its messages go back to the queue, and the reason is logged once.

mod database;
mod init;
mod log;
mod work;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_lambda::{Batches, InvocationError, SqsBatchResponse};

// A handler may block its thread: the engine, which keeps the leases, then needs another one.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match init::batches().await {
        Ok(batches) => serve(Arc::new(batches)).await,
        Err(error) => {
            log::last_words(&format!("failed to start: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes invocations until the environment is taken down: one at a time, or as many as Lambda Managed Instances allow.
async fn serve(batches: Arc<Batches>) -> ExitCode {
    let handle = move |event: LambdaEvent<Value>| {
        let batches = Arc::clone(&batches);
        async move { invoke(&batches, event).await }
    };
    match lambda_runtime::run_concurrent(service_fn(handle)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::last_words(&format!("failed to go on taking invocations: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn invoke(batches: &Batches, event: LambdaEvent<Value>) -> Result<SqsBatchResponse, Diagnostic> {
    let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX).saturating_mul(1_000);
    batches.work(&event.payload, Timestamp::from_micros(deadline)).await.map_err(|error| {
        // Lambda hands it to whoever invoked, but writes it nowhere.
        tracing::error!("failed to {error}");
        Diagnostic { error_type: kind(&error).to_owned(), error_message: format!("failed to {error}") }
    })
}

const fn kind(error: &InvocationError) -> &'static str {
    match error {
        InvocationError::Event(_) => "Taskwatch.UnusableEvent",
        InvocationError::Failed { .. } => "Taskwatch.BatchFailed",
    }
}
