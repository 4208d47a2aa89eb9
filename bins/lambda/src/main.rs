//! `bootstrap`: the Lambda function that works the tasks an SQS queue announces, or serves the API that adds them.
//!
//! Settings come from `TASKWATCH_*` variables, over a `taskwatch.toml` in the deployed package; `lambda.role` says which
//! of the two it is. Whatever is wrong with them ends the init phase with a message that names it; a database that cannot
//! be reached does not: messages go back to the queue, requests are told to try again, and the reason is logged once.

mod database;
mod init;
#[cfg(feature = "intake")]
mod intake;
mod log;
mod process;

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn};

use crate::init::Function;

// A handler may block its thread: the engine, which keeps the leases, then needs another one.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // On a worker, which waits for the sockets itself: this thread would have to be woken for every answer of the
    // database, at a third of the CPU time of a batch.
    match tokio::spawn(run()).await {
        Ok(code) => code,
        Err(error) => {
            log::last_words(&format!("failed to run: {error}"));
            ExitCode::FAILURE
        }
    }
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
