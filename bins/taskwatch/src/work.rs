//! From settings to an engine, and the flags that `run` and `replay` share.

use std::fs;
use std::sync::Arc;

use clap::Args;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::{Outbox, Relay};
use taskwatch_core::ports::{Handler, Observer, Store};
use taskwatch_core::stop::Stop;
use taskwatch_daemon::{process_name, signals};
use taskwatch_handlers::{SystemEntropy, TokioClock};
use taskwatch_settings::{Settings, Work};
use taskwatch_wiring::{Announcing, handler, no_work, policy};

use crate::exit::{Exit, Failed};
use crate::out;
use crate::watch::Logger;

/// What works the tasks, and how. Each flag stands for a setting.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Pretend to work (see the settings handler.simulate_*)
    #[arg(long, conflicts_with_all = ["command", "http"])]
    simulate: bool,
    /// Run a program for each task, given after `--`: task JSON on its standard input
    #[arg(long, requires = "argv", conflicts_with = "http")]
    command: bool,
    /// POST each task to this address
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Attempts at the same time (worker.concurrency)
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// How long an attempt may take (handler.time_limit)
    #[arg(long, value_name = "DURATION")]
    time_limit: Option<String>,
    /// How long a claim lasts without renewal (worker.lease)
    #[arg(long, value_name = "DURATION")]
    lease: Option<String>,
    /// Attempts for tasks that do not say so themselves (worker.max_attempts)
    #[arg(long, value_name = "N")]
    max_attempts: Option<String>,
    /// How long a shutdown waits for running attempts (worker.drain)
    #[arg(long, value_name = "DURATION")]
    drain: Option<String>,
    /// The program for --command and its arguments; no shell is involved
    #[arg(last = true, value_name = "ARGV", requires = "command")]
    argv: Vec<String>,
}

impl WorkArgs {
    /// The flags as settings.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let mut overrides = Vec::new();
        let mut set = |key: &str, value: &str| overrides.push((key.to_owned(), value.to_owned()));
        if self.simulate {
            set("handler.kind", "simulate");
        }
        if self.command {
            set("handler.kind", "command");
            set("handler.command", &serde_json::json!(self.argv).to_string());
        }
        if let Some(url) = &self.http {
            set("handler.kind", "http");
            set("handler.http_url", url);
        }
        let plain = [
            ("worker.concurrency", &self.concurrency),
            ("handler.time_limit", &self.time_limit),
            ("worker.lease", &self.lease),
            ("worker.max_attempts", &self.max_attempts),
            ("worker.drain", &self.drain),
        ];
        for (key, value) in plain {
            if let Some(value) = value {
                set(key, value);
            }
        }
        overrides
    }
}

/// The work that the settings name, or what to say where they name none.
pub(crate) fn check(settings: &Settings) -> Result<&Work, Failed> {
    settings.handler.work.as_ref().ok_or_else(|| {
        Failed::Usage(
            "nothing is configured that could work a task: give --command -- PROGRAM..., --http URL or --simulate, or \
             set handler.kind"
                .into(),
        )
    })
}

/// An engine that works tasks as the settings say.
pub(crate) fn worker(settings: &Settings, store: Arc<dyn Store>, source: Source) -> Result<Arc<Engine>, Failed> {
    let work = check(settings)?;
    let handler = handler(work, settings.handler.time_limit)?;
    engine(settings, store, handler, source, Arc::new(Logger::new(&settings.log)))
}

/// An engine that adds, cancels and puts back, but works nothing.
pub(crate) fn desk(settings: &Settings, store: Arc<dyn Store>, source: Source) -> Result<Arc<Engine>, Failed> {
    engine(settings, store, no_work(), source, Arc::new(Silent))
}

fn engine(
    settings: &Settings,
    store: Arc<dyn Store>,
    handler: Arc<dyn Handler>,
    source: Source,
    observer: Arc<dyn Observer>,
) -> Result<Arc<Engine>, Failed> {
    let entropy = Arc::new(SystemEntropy);
    let origin = Origin::new(source, settings.worker.name.clone().unwrap_or_else(process_name));
    let policy = policy(settings);
    Ok(Arc::new(Engine::new(Parts { store, handler, clock: Arc::new(TokioClock), entropy, observer, origin, policy })?))
}

/// Announces from this outbox what is added and put back.
pub(crate) fn relay(
    announcing: Option<Announcing>,
    settings: &Settings,
    outbox: Arc<dyn Outbox>,
) -> Option<Arc<Relay>> {
    let observer = Arc::new(Logger::new(&settings.log));
    announcing.map(|announcing| Arc::new(announcing.relay(outbox, Arc::new(TokioClock), observer)))
}

/// Set by the first signal; the second ends the process at once, with all that its handlers have started.
pub(crate) fn stop() -> std::io::Result<Stop> {
    let told = || out::remark("stopping: running attempts may finish; once more to end at once");
    signals::stop(told, || {
        taskwatch_handlers::kill_all_groups();
        std::process::exit(Exit::Interrupted as i32)
    })
}

/// The person at the keyboard, as far as the system knows.
pub(crate) fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &taskwatch_core::ports::Notice<'_>) {}
}
