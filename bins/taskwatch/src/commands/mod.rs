//! One module per command.

pub(crate) mod add;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod dlq;
pub(crate) mod list;
pub(crate) mod migrate;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod show;
pub(crate) mod verify;

use taskwatch_core::task::TaskId;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failed};

/// Does what was asked for.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failed> {
    let Cli { globals, command } = cli;
    match command {
        Command::Add(args) => args.run(&globals).await,
        Command::List(args) => args.run(&globals).await,
        Command::Show(args) => args.run(&globals).await,
        Command::Cancel(args) => args.run(&globals).await,
        Command::Run(args) => args.run(&globals).await,
        Command::Serve(args) => args.run(&globals).await,
        Command::Dlq(args) => args.run(&globals).await,
        Command::Replay(args) => args.run(&globals).await,
        Command::Verify(args) => args.run(&globals).await,
        Command::Migrate(args) => args.run(&globals).await,
        Command::Settings(args) => args.run(&globals),
        Command::Completions(args) => args.run(),
        Command::Demo(args) => args.run().await,
    }
}

/// Reads a task id from the command line.
pub(crate) fn task_id(text: &str) -> Result<TaskId, String> {
    let number: i64 = text.parse().map_err(|_| "expected a task id: a positive integer".to_owned())?;
    TaskId::try_from(number).map_err(|error| error.to_string())
}
