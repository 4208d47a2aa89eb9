//! A task as a run of a program.

mod orphans;
mod process;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;

pub use self::process::kill_all_groups;
use crate::text::{Tail, one_line};
use crate::{payload, retry_after};

/// Exit codes, of `sysexits.h`, after which a task is not tried again: 64 (`EX_USAGE`), 65 (`EX_DATAERR`) and 78
/// (`EX_CONFIG`).
pub const PERMANENT_EXIT_CODES: [i32; 3] = [64, 65, 78];

/// `EX_TEMPFAIL`: the one code that says outright what every unknown code is taken for.
const EX_TEMPFAIL: i32 = 75;

/// How much of stderr is kept for the reason, and of stdout for the request to wait, in bytes.
const KEPT: usize = 4096;

/// How much of that goes into the reason, in characters: the ledger cuts a reason after 1,000, and the last line is the
/// one that matters.
const QUOTED: usize = 900;

/// Taskwatch's own settings, which may be secrets, are no business of the program.
const OWN_SETTINGS: &str = "TASKWATCH_";

/// Where programs are looked for without `PATH`, as execvp(3) does.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// Runs a program for every attempt. No shell is involved: the arguments reach it as they are, and nothing of the task
/// is among them.
///
/// # What the program is told
/// On stdin, one line of JSON: `task_id`, `title`, `description`, `attempt`, `max_attempts`, `idempotency_key`. It need
/// not read it. In its environment, beside taskwatch's own: `TASKWATCH_TASK_ID`, `TASKWATCH_ATTEMPT` (1 for the first),
/// `TASKWATCH_MAX_ATTEMPTS`, `TASKWATCH_IDEMPOTENCY_KEY` (the same for all attempts), and `TRACEPARENT` if the delivery
/// came with a trace. Taskwatch's settings, `TASKWATCH_*` and database password among them, are taken out.
///
/// # What its end means
///
/// | end | meaning |
/// | --- | --- |
/// | exit code 0 | done |
/// | 64, 65, 78 (`EX_USAGE`, `EX_DATAERR`, `EX_CONFIG`) | failed for good |
/// | 75 (`EX_TEMPFAIL`) and every other code | failed, try again |
/// | killed by a signal | failed, try again |
/// | time limit | killed in the middle; failed, try again unless the task must not run twice |
/// | cannot be started | failed, try again; the worker of a queue: given back at no cost of an attempt |
///
/// A program that fails and is tried again can say when: its last line on stdout is then `retry-after: 30` (seconds) or
/// `retry-after: 5m`, up to [`MAX_RETRY_AFTER`](crate::MAX_RETRY_AFTER). Otherwise stdout is read and dropped. The end of
/// stderr, up to 900 characters in one line, becomes the reason in the ledger, so no secrets belong there.
///
/// # What becomes of its children
/// The program leads a process group. The group is killed (`SIGKILL`) at the time limit, when the attempt is dropped,
/// and also when the program itself has ended: nothing outlives an attempt. It is killed as well when taskwatch itself is
/// killed, by a shell that waits for that (without `/bin/sh`, nobody does so). A process that has left the group
/// (`setsid`) is out of reach: systemd, or a container, ends it with all others of the service.
pub struct Command {
    program: String,
    arguments: Vec<String>,
    directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    time_limit: Duration,
}

/// Why there can be no such [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// No program.
    #[error("the command is empty: give the program and its arguments")]
    Empty,
    /// An argument or variable that no system can pass on.
    #[error("{0} holds a NUL byte, which cannot be passed to a program")]
    Nul(Cow<'static, str>),
    /// A variable's name.
    #[error("{0:?} cannot be the name of an environment variable")]
    Name(OsString),
    /// No time at all.
    #[error("the time limit of the command is zero")]
    NoTime,
}

impl Command {
    /// The program (looked for in `PATH` unless it has a slash) with its arguments, killed after `time_limit`.
    ///
    /// # Errors
    /// [`InvalidCommand`] if this can never run.
    pub fn new(argv: Vec<String>, time_limit: Duration) -> Result<Self, InvalidCommand> {
        if let Some(at) = argv.iter().position(|argument| argument.contains('\0')) {
            return Err(InvalidCommand::Nul(format!("argument {at} of the command").into()));
        }
        let mut argv = argv.into_iter();
        let program = argv.next().filter(|program| !program.is_empty()).ok_or(InvalidCommand::Empty)?;
        if time_limit.is_zero() {
            return Err(InvalidCommand::NoTime);
        }
        Ok(Self { program, arguments: argv.collect(), directory: None, environment: Vec::new(), time_limit })
    }

    /// Looks whether the program is there, for whoever wants to know before there is anything to do.
    ///
    /// # Errors
    /// What an attempt would be told now.
    pub fn check(&self) -> Result<(), String> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
        let directory = self.directory.as_deref().unwrap_or(Path::new("."));
        let found = which::which_in(&self.program, Some(path), directory);
        let missing = |_| {
            let is_there = self.program.contains('/') && Path::new(&self.program).exists();
            let kind = if is_there { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotFound };
            cannot_start(&self.program, self.directory.is_some(), &kind.into())
        };
        found.map(drop).map_err(missing)
    }

    /// Where to run it; by default where taskwatch runs.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// A variable for its environment. Given so, even a `TASKWATCH_*` setting is passed on; the four about the attempt
    /// and `TRACEPARENT` are always the attempt's.
    ///
    /// # Errors
    /// [`InvalidCommand`] if no environment can hold it.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Result<Self, InvalidCommand> {
        let (name, value) = (name.into(), value.into());
        let bytes = name.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
            return Err(InvalidCommand::Name(name));
        }
        if value.as_encoded_bytes().contains(&0) {
            return Err(InvalidCommand::Nul(format!("environment variable {}", name.display()).into()));
        }
        self.environment.push((name, value));
        Ok(self)
    }

    fn prepare(&self, task: &Task, attempt: &AttemptInfo) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(OWN_SETTINGS.as_bytes()) {
                command.env_remove(name);
            }
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("TASKWATCH_TASK_ID", task.id.to_string())
            .env("TASKWATCH_ATTEMPT", attempt.number.to_string())
            .env("TASKWATCH_MAX_ATTEMPTS", attempt.max.to_string())
            .env("TASKWATCH_IDEMPOTENCY_KEY", &attempt.idempotency_key);
        match payload::traceparent(task, attempt) {
            Some(parent) => command.env("TRACEPARENT", parent),
            // One that taskwatch itself was started with is about something else.
            None => command.env_remove("TRACEPARENT"),
        };
        command
    }
}

/// Without arguments and values: they may be secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("directory", &self.directory)
            .field("environment", &names)
            .field("time_limit", &self.time_limit)
            .finish()
    }
}

#[async_trait]
impl Handler for Command {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        let input = payload::json(task, attempt)?;
        let mut group = process::Group::spawn(self.prepare(task, attempt))
            .map_err(|error| Failure::not_begun(cannot_start(&self.program, self.directory.is_some(), &error)))?;
        let (mut stdout, mut stderr) = (Tail::new(KEPT), Tail::new(KEPT));
        let end = tokio::time::timeout(self.time_limit, group.run(&input, &mut stdout, &mut stderr)).await;
        // Dead before anybody hears that the attempt is over.
        drop(group);
        match end {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failure(status, &stdout.text(), &stderr.text())),
            Ok(Err(error)) => Err(Failure::retry(format!("{} cannot be waited for: {error}", self.program))),
            Err(_) => {
                let limit = humantime::format_duration(self.time_limit);
                Err(Failure::cut_off(with_detail(format!("killed at the time limit of {limit}"), &stderr.text())))
            }
        }
    }
}

fn cannot_start(program: &str, elsewhere: bool, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if elsewhere => ": install it, give its path, or check the directory to run it in",
        io::ErrorKind::NotFound => ": install it or give its path",
        io::ErrorKind::PermissionDenied => ": make it executable for the user that taskwatch runs as",
        _ => "",
    };
    format!("{program} cannot be started ({error}){hint}")
}

fn failure(status: ExitStatus, stdout: &str, stderr: &str) -> Failure {
    use std::os::unix::process::ExitStatusExt as _;
    let what = match (status.code(), status.signal()) {
        (Some(EX_TEMPFAIL), _) => "asked to be tried again (exit code 75)".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => format!("ended with {status}"),
    };
    let reason = with_detail(what, stderr);
    if status.code().is_some_and(|code| PERMANENT_EXIT_CODES.contains(&code)) {
        return Failure::permanent(reason);
    }
    match retry_after::from_last_line(stdout) {
        Ok(Some(wait)) => Failure::retry_after(wait, reason),
        Ok(None) => Failure::retry(reason),
        Err(text) => Failure::retry(format!("{reason} (no duration: retry-after: {})", one_line(&text))),
    }
}

fn with_detail(what: String, stderr: &str) -> String {
    let detail = one_line(stderr);
    match detail.chars().count().checked_sub(QUOTED) {
        _ if detail.is_empty() => what,
        None | Some(0) => format!("{what}: {detail}"),
        Some(excess) => {
            let end: String = detail.chars().skip(excess + 1).collect();
            format!("{what}: …{end}")
        }
    }
}
