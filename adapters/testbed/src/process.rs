//! One server process with its folder: started, watched, killed, removed.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::programs::MissingProgram;
use crate::python::PythonError;
use crate::reaper::Reaper;
use crate::tls::TlsError;

/// Below the range from which the kernel takes ports for outgoing connections. A port of that range could be taken
/// while the server is down, even by a client that then reaches itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;
const PORT_TRIES: usize = 20;

/// Recovery after a kill can take a while on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(30);

/// How many lines of the server's log an error shows.
const LOG_LINES: usize = 20;

/// Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A program is not installed.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// No Python to run it with.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// No certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The machine refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// None of the ports tried was free.
    #[error("find a free port: tried {PORT_TRIES} of {}..{} on 127.0.0.1", PORTS.start, PORTS.end)]
    NoPort,
    /// `mariadb-install-db` failed.
    #[error("install MariaDB's system tables ({status}):\n{output}")]
    Install {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// The server ended before it answered.
    #[error("start {what}: it ended ({status}); its log ends with:\n{log}")]
    Died {
        /// Which server.
        what: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server runs and does not answer.
    #[error("start {what}: no answer within {PATIENCE:?}; its log ends with:\n{log}")]
    Silent {
        /// Which server.
        what: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The account for tests could not be made.
    #[error("make the tests' database user: {0}")]
    Account(#[source] crate::SqlError),
    /// A variable holds something else than `cargo xtask test` puts there.
    #[error("use the server named by {name}: {source}; unset it to have one started")]
    Handover {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl StartError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A process in a group of its own, and the folder it writes into. Both go with the value, or with this process.
#[derive(Debug)]
pub(crate) struct Process {
    // Fields drop in this order: the process is gone before its folder is removed.
    child: Option<Child>,
    reaper: Reaper,
    folder: TempDir,
}

impl Process {
    /// An empty folder; starts nothing yet.
    pub(crate) fn prepare() -> Result<Self, StartError> {
        // Short, as the path of a socket may have 107 bytes.
        let folder = TempDir::with_prefix("tw-").map_err(StartError::io("make a temporary folder"))?;
        fs::create_dir(folder.path().join("tmp")).map_err(StartError::io("make a temporary folder"))?;
        let reaper = Reaper::over(folder.path()).map_err(StartError::io("start /bin/sh"))?;
        Ok(Self { child: None, reaper, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server called `what` and waits until `answers` is true.
    pub(crate) fn start(
        &mut self,
        what: &'static str,
        mut command: Command,
        mut answers: impl FnMut() -> bool,
    ) -> Result<(), StartError> {
        let log_path = self.folder().join("log");
        let log = File::options().create(true).append(true).open(&log_path).map_err(StartError::io("open the log"))?;
        let program = command.get_program().display().to_string();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(StartError::io(format!("run {program}")))?;
        let pid = child.id();
        let child = self.child.insert(child);
        self.reaper.watch(Some(pid)).map_err(StartError::io("tell the reaper"))?;
        let log = || tail(&fs::read_to_string(&log_path).unwrap_or_default());
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(StartError::io(format!("watch {what}")))? {
                self.kill().map_err(StartError::io("clean up"))?;
                return Err(StartError::Died { what, status, log: log() });
            }
            if answers() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(StartError::Silent { what, log: log() });
            }
            thread::sleep(POLL);
        }
    }

    /// SIGKILL to it and to what it has started, and waits for the end. Nothing happens if it does not run.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            // What it has started may be there even if it has ended; nobody left is no error.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.kill()?;
            child.wait()?;
            self.reaper.watch(None)?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error leaves the work to the reaper.
        let _ = self.kill();
    }
}

pub(crate) fn free_port() -> Result<u16, StartError> {
    (0..PORT_TRIES)
        .map(|_| fastrand::u16(PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(StartError::NoPort)
}

pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
