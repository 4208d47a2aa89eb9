//! The command line of taskwatch: adds tasks, works them from the database, replays captured messages, and audits the
//! books. Configuration, build, drain; everything else is in the crates below.

mod cli;
mod commands;
mod database;
mod exit;
mod filter;
mod letters;
mod out;
mod progress;
mod watch;
mod work;

use std::process::ExitCode;

use crate::exit::Failed;

fn main() -> ExitCode {
    let cli = cli::Cli::from_arguments();
    out::choose_colour(cli.globals.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failed::from(error).tell(),
    };
    let result = runtime.block_on(commands::run(cli));
    // A thread that still waits for standard input must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(failed) => failed.tell(),
    }
}
