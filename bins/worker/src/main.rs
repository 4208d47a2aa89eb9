//! `taskwatch-worker`: polls an SQS queue and works the tasks that its messages announce, until it is told to stop.
//!
//! Configuration, build, drain; everything else is in the crates below. The first signal drains, the second ends the
//! process at once: what it holds comes again when leases and visibility are over.

mod check;
mod cli;
mod condition;
mod health;
mod parts;
mod work;

use std::process::ExitCode;

use clap::Parser as _;
use taskwatch_handlers::kill_all_groups;
use tokio::runtime::Builder;

use crate::cli::{Cli, Failed};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(work::run(&cli));
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failed::Process(error)),
    };
    // What handlers have started must not outlive the worker that would have ended it.
    kill_all_groups();
    match ended {
        Ok(exit) => exit.into(),
        Err(failed) => {
            cli::say(&format!("error: {failed}"));
            failed.exit().into()
        }
    }
}
