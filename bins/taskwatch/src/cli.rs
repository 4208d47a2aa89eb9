//! The command line as clap sees it.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use taskwatch_settings::{Settings, SettingsError};

use crate::commands::{add, cancel, completions, demo, dlq, list, migrate, replay, run, serve, settings, show, verify};
use crate::exit::HELP as EXIT_CODES;
use crate::out::Colour;

const EXAMPLES: &str = "\
Examples:
  taskwatch demo                               see all of it work, in half a minute
  taskwatch add 'Send the invoice' --max-attempts 3
  taskwatch run --command -- ./send-invoice    work what is due, until interrupted
  taskwatch list --status Failed
  taskwatch show 7                             what happened to task 7
  taskwatch dlq list dead-letters.json --class failed
  taskwatch dlq stats dead-letters.json        why they are dead
  taskwatch replay dead-letters.json --yes --reason 'fixed' --command -- ./send-invoice
  taskwatch verify                             do the books balance?

Settings come from flags over TASKWATCH_* variables over taskwatch.toml: `taskwatch settings`
lists them.";

/// Works tasks, and keeps books that balance.
#[derive(Debug, Parser)]
#[command(name = "taskwatch", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// Read settings from this TOML file instead of ./taskwatch.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the tasks are: sqlite://PATH or mysql://USER@HOST:PORT/DATABASE (the setting database.url)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Give a setting, such as worker.lease=90s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Colour the output
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add tasks
    Add(add::Add),
    /// List tasks, newest first
    List(list::List),
    /// Show a task and its ledger as a timeline
    Show(show::Show),
    /// Call tasks off
    Cancel(cancel::Cancel),
    /// Work due tasks from the database until interrupted
    Run(run::Run),
    /// Take tasks over HTTP until interrupted
    Serve(serve::Serve),
    /// Look at dead letters, archive them, do away with them
    Dlq(Box<dlq::Dlq>),
    /// Replay dead letters: through the engine here, or back to their queue
    Replay(Box<replay::Replay>),
    /// Audit the books: every law, on every task
    Verify(verify::Verify),
    /// Bring the database to this program's schema
    Migrate(migrate::Migrate),
    /// Show all settings, with their values and where those come from
    Settings(settings::ShowSettings),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// See all of it work on a few hundred tasks in a database of their own
    Demo(demo::Demo),
}

impl Cli {
    /// The whole command line, in which `--set` may stand before the command and after it.
    ///
    /// A global argument of clap's would do so too, but where both are given, it forgets the first without a word.
    pub(crate) fn tree() -> clap::Command {
        let tree = Self::command();
        let set = tree.get_arguments().find(|argument| argument.get_id() == "set").cloned();
        tree.mut_subcommands(|command| command.args(&set).mut_subcommands(|command| command.args(&set)))
    }

    /// Reads the arguments of this process; ends it with a message where they make no sense.
    pub(crate) fn from_arguments() -> Self {
        let matches = Self::tree().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let mut level = &matches;
        while let Some((_, after)) = level.subcommand() {
            cli.globals.set.extend(after.get_many("set").into_iter().flatten().cloned());
            level = after;
        }
        cli
    }
}

impl Globals {
    /// The settings, with what the command adds on top of the global flags.
    pub(crate) fn settings(&self, more: Vec<(String, String)>) -> Result<Settings, SettingsError> {
        let url = self.database.iter().map(|url| ("database.url".to_owned(), url.clone()));
        let overrides: Vec<_> = self.set.iter().cloned().chain(url).chain(more).collect();
        taskwatch_settings::load(self.config.as_deref(), taskwatch_settings::environment()?, &overrides)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as worker.lease=90s".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::tree().debug_assert();
    }

    /// Where clap would break lines that are broken by hand already, the help looks torn.
    #[test]
    fn texts_broken_by_hand_fit_where_clap_breaks_lines() {
        let tree = Cli::tree();
        let nested = tree.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in tree.get_subcommands().chain(nested).chain([&tree]) {
            let texts = [command.get_after_help(), command.get_after_long_help()];
            for line in texts
                .into_iter()
                .flatten()
                .flat_map(|text| text.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
            {
                assert!(line.chars().count() <= 96, "{}: {line}", command.get_name());
            }
        }
    }

    #[test]
    fn settings_are_taken_apart_at_the_first_equals_sign() {
        assert_eq!(key_value("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(key_value("=x").is_err() && key_value("x").is_err());
    }
}
