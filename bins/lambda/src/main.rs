//! `bootstrap`: the Lambda function that works the tasks an SQS queue announces, or serves the API that adds them.
//!
//! Settings come from `TASKWATCH_*` variables, over a `taskwatch.toml` in the deployed package; `lambda.role` says which
//! of the two it is. Whatever is wrong with them ends the init phase with a message that names it; a database that cannot
//! be reached does not: messages go back to the queue, requests are told to try again, and the reason is logged once.

mod init;
#[cfg(feature = "intake")]
mod intake;
mod log;
mod process;

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn};
use tokio::runtime::Builder;

use crate::init::Function;

fn main() -> ExitCode {
    // One thread starts soonest, and none of the handlers blocks it. Where invocations come at once, there is more than one
    // CPU, and the work is spawned: this thread would have to be woken for every answer of the database.
    let ended = if init::takes_invocations_at_once() {
        Builder::new_multi_thread()
            .enable_all()
            .build()
            .map(|runtime| runtime.block_on(async { tokio::spawn(run()).await.unwrap_or_else(|error| ended(&error)) }))
    } else {
        Builder::new_current_thread().enable_all().build().map(|runtime| runtime.block_on(run()))
    };
    ended.unwrap_or_else(|error| self::ended(&error))
}

fn ended(error: &dyn std::error::Error) -> ExitCode {
    log::last_words(&format!("failed to run: {error}"));
    ExitCode::FAILURE
}

async fn run() -> ExitCode {
    let function = match init::function().await {
        Ok(function) => function,
        Err(error) => {
            log::last_words(&format!("failed to start: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    match serve(function).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::last_words(&format!("failed to go on taking invocations: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes invocations until the environment is taken down: one at a time, or as many as Lambda Managed Instances allow.
async fn serve(function: Function) -> Result<(), Error> {
    match function {
        Function::Process(worker) => {
            let invoke = move |event: LambdaEvent<_>| {
                let worker = worker.clone();
                async move { worker.invoke(event).await }
            };
            run_concurrent(service_fn(invoke)).await
        }
        #[cfg(feature = "intake")]
        Function::Intake(desk) => {
            let invoke = move |event: LambdaEvent<_>| {
                let desk = desk.clone();
                async move { desk.invoke(event).await }
            };
            run_concurrent(service_fn(invoke)).await
        }
    }
}
