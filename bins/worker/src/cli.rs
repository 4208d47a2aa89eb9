//! The command line and the exit codes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use taskwatch_core::policy::PolicyError;
use taskwatch_settings::{Settings, SettingsError};
use taskwatch_sql_store::SchemaError;
use taskwatch_sqs_message::CallError;
use taskwatch_sqs_poll::InvalidOptions;
use taskwatch_wiring::{HandlerError, IntakeError, LookError, NoStore, RelayError};

const CODES: &str = "\
Settings come from flags over TASKWATCH_* variables over taskwatch.toml; `taskwatch settings` lists them.

SIGINT, SIGTERM or SIGHUP: no more messages are taken, running attempts may finish (worker.drain), the rest
is given back at no cost of an attempt. Once more: it ends at once, and what it held comes again by itself.
A notice that the EC2 instance is about to go (worker.notices) drains as well; one signal after it changes nothing.

Exit codes:
  0    told to stop, or the instance goes, and done; or --check has found nothing wrong
  2    the command line or the configuration makes no sense
  4    the database cannot be used
  5    anything else
  6    the queue or the topic cannot be used (--check)
  7    the instance hibernates: to be started again, now or once it is woken
  130  ended by a second signal";

/// Polls an SQS queue and works the tasks that its messages announce.
#[derive(Debug, Parser)]
#[command(name = "taskwatch-worker", version, after_help = CODES)]
pub(crate) struct Cli {
    /// Read settings from this TOML file instead of ./taskwatch.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Give a setting, such as worker.lease=90s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Look whether the configuration makes sense and database and queue can be used, and end
    #[arg(long)]
    pub(crate) check: bool,
}

impl Cli {
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        taskwatch_settings::load(self.config.as_deref(), taskwatch_settings::environment()?, &self.set)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as worker.lease=90s".into()),
    }
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Usage = 2,
    Database = 4,
    Other = 5,
    Queue = 6,
    Asleep = 7,
    Interrupted = 130,
}

/// Why the worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The configuration.
    #[error("failed to {0}")]
    Settings(#[from] SettingsError),
    /// Nothing to poll, or nothing that could work a task.
    #[error("{0}")]
    Missing(&'static str),
    /// The engine's numbers.
    #[error("failed to use the settings: {0}")]
    Policy(#[from] PolicyError),
    /// The source's numbers.
    #[error("failed to {0}")]
    Polling(#[from] InvalidOptions),
    /// What works the tasks.
    #[error("failed to {0}")]
    Handler(#[from] HandlerError),
    /// Who may use the API.
    #[error("failed to {0}")]
    Intake(#[from] IntakeError),
    /// Where tasks are announced.
    #[error("failed to {0}")]
    Relay(#[from] RelayError),
    /// The database.
    #[error("failed to {0}")]
    Database(#[from] NoStore),
    /// Its schema.
    #[error("failed to {0}")]
    Schema(#[from] SchemaError),
    /// The queue.
    #[error("failed to {0}")]
    Queue(#[from] CallError),
    /// What never happens: nothing is polled any more.
    #[error("failed to poll the queue: the task that keeps its messages has ended; start the worker again")]
    Source,
    /// Where tasks are announced.
    #[error("failed to {0}")]
    Look(#[from] LookError),
    /// An address to listen on.
    #[error("failed to listen on {address} ({setting}): {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Who says so.
        setting: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// Signals, threads.
    #[error("failed to set up the process: {0}")]
    Process(#[from] io::Error),
}

impl Failed {
    /// The code that the process ends with.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Missing(_) | Self::Policy(_) | Self::Polling(_) => Exit::Usage,
            Self::Handler(_) | Self::Intake(_) | Self::Relay(_) => Exit::Usage,
            Self::Database(_) | Self::Schema(_) => Exit::Database,
            Self::Queue(_) | Self::Look(_) => Exit::Queue,
            Self::Source | Self::Listen { .. } | Self::Process(_) => Exit::Other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What somebody has asked for.
#[expect(clippy::print_stdout, reason = "it is for people")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}

/// Says it to whoever has started it: what the log tells may be lost on somebody at a terminal.
#[expect(clippy::print_stderr, reason = "it is for people")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
