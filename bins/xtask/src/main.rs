//! The project's chores. Start with `cargo xtask test`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it says to the person who called it")]

mod bench;
mod claim;
mod core_lint;
mod debian;
mod fuzz;
mod generate;
mod mariadb;
mod node;
mod package;
mod python;
mod steps;
mod test;
mod workspace;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs every check and test, after installing or starting what they need
    Test {
        /// Leave out formatting, clippy and the documentation
        #[arg(long)]
        quick: bool,
        /// Passed on to `cargo test`; with `-p` among them, only these packages are tested
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Writes the files that are generated from code
    Generate {
        /// Change nothing; fail if a file is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Proves that core depends on nothing that does I/O, and that its banned calls are refused
    LintCore,
    /// Measures
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Looks for messages that are not treated as they must be
    Fuzz {
        /// For how long
        #[arg(default_value_t = 60)]
        seconds: u32,
        /// Try one input again, as a former run kept it
        #[arg(long, value_name = "FILE", conflicts_with = "seconds")]
        replay: Option<PathBuf>,
    },
    /// Builds what is shipped, into `dist/`: the programs and the Lambda function, with their SHA-256
    Package,
    /// Runs a throwaway MariaDB until Enter, end of input or Ctrl-C, and prints its address
    Mariadb,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Tasks per second through claim, run and complete, on SQLite and MariaDB
    Store {
        /// Passed on to the benchmark
        #[arg(last = true)]
        benchmark: Vec<String>,
    },
    /// The Lambda function beside others: cold and warm, CPU and wall, round trips, memory, size
    Lambda(bench::lambda::Options),
    /// A file of dead letters, beside the same statements bare: time, CPU, memory
    Replay(bench::replay::Options),
    /// The worker beside others: messages per second, CPU, memory, calls, statements, latency, processes, idle
    Worker(bench::worker::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        // Its own words are enough: a backtrace of xtask would only bury them.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    // Held until the chore is done. A server by hand builds nothing, and tests start one while the claim is held.
    let claim = match chore {
        Chore::Mariadb => None,
        _ => claim::claim(&workspace.root, &workspace.target_folder()?)?,
    };
    if claim.as_ref().is_some_and(|claim| claim.taken_over) {
        // This program may be the other checkout's: let cargo build this one's, which does the chore.
        drop(claim);
        let again = ["run", "--quiet", "--package", "xtask", "--"].map(OsString::from);
        return workspace::run(&mut workspace.cargo(again.into_iter().chain(env::args_os().skip(1))));
    }
    match chore {
        Chore::Test { quick, cargo } => test::run(&workspace, quick, &cargo),
        Chore::Generate { check } => generate::run(&workspace, check),
        Chore::LintCore => core_lint::run(&workspace),
        Chore::Bench { what: Bench::Store { benchmark } } => bench::store(&workspace, &benchmark),
        Chore::Bench { what: Bench::Lambda(options) } => bench::lambda::run(&workspace, &options),
        Chore::Bench { what: Bench::Replay(options) } => bench::replay::run(&workspace, &options),
        Chore::Bench { what: Bench::Worker(options) } => bench::worker::run(&workspace, &options),
        Chore::Fuzz { seconds, replay } => fuzz::run(&workspace, seconds, replay.as_deref()),
        Chore::Package => package::run(&workspace),
        Chore::Mariadb => mariadb::run(),
    }
}
