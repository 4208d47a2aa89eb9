//! One `mariadbd` process with its data, from installation to removal.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs::{MissingProgram, find_program};
use crate::reaper::Reaper;
use crate::tls::{self, Certificates, TlsError};

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
    #[error("start MariaDB: it ended ({status}); its log ends with:\n{log}")]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server runs and does not answer.
    #[error("start MariaDB: no answer within {PATIENCE:?}; its log ends with:\n{log}")]
    Silent {
        /// The end of its log.
        log: String,
    },
    /// The account for tests could not be made.
    #[error("make the tests' database user: {0}")]
    Account(#[source] crate::SqlError),
    /// [`crate::ENV_MARIADB`] holds something else than `cargo xtask test` puts there.
    #[error("use the server named by {name}: {0}; unset it to have one started", name = crate::ENV_MARIADB)]
    Handover(#[source] serde_json::Error),
}

impl StartError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A server process and all it wrote.
#[derive(Debug)]
pub(crate) struct Server {
    // Fields drop in this order: the process is gone before its folder is removed.
    process: Option<Child>,
    reaper: Reaper,
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) certificates: Certificates,
}

impl Server {
    /// Makes an empty installation with certificates and a port; starts nothing yet.
    pub(crate) fn install() -> Result<Self, StartError> {
        // Short, as the path of a socket may have 107 bytes.
        let folder = TempDir::with_prefix("tw-").map_err(StartError::io("make a temporary folder"))?;
        fs::create_dir(folder.path().join("tmp")).map_err(StartError::io("make a temporary folder"))?;
        let reaper = Reaper::over(folder.path()).map_err(StartError::io("start /bin/sh"))?;
        let certificates = tls::generate(folder.path())?;
        let program = find_program("mariadb-install-db")?;
        // Not found, it would only show as a puzzling failure of the script.
        find_program("mariadbd")?;
        let done = Command::new(&program)
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            .arg(tmpdir(folder.path()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(as_root())
            .stdin(Stdio::null())
            .output()
            .map_err(StartError::io(format!("run {}", program.display())))?;
        if !done.status.success() {
            let output = [done.stdout, done.stderr].concat();
            return Err(StartError::Install { status: done.status, output: tail(&String::from_utf8_lossy(&output)) });
        }
        Ok(Self { process: None, reaper, folder, port: free_port()?, certificates })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the process on the data that is there and waits until `answers` is true.
    pub(crate) fn start(&mut self, mut answers: impl FnMut() -> bool) -> Result<(), StartError> {
        let log_path = self.folder.path().join("log");
        let log = File::options().create(true).append(true).open(&log_path).map_err(StartError::io("open the log"))?;
        let program = find_program("mariadbd")?;
        let child = Command::new(&program)
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(StartError::io(format!("run {}", program.display())))?;
        let pid = child.id();
        let process = self.process.insert(child);
        self.reaper.watch(Some(pid)).map_err(StartError::io("tell the reaper"))?;
        let log = || tail(&fs::read_to_string(&log_path).unwrap_or_default());
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().map_err(StartError::io("watch MariaDB"))? {
                self.kill().map_err(StartError::io("clean up"))?;
                return Err(StartError::Died { status, log: log() });
            }
            if answers() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(StartError::Silent { log: log() });
            }
            thread::sleep(POLL);
        }
    }

    /// SIGKILL, and waits for the end. Nothing happens if it does not run.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
            self.reaper.watch(None)?;
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let file = |option: &str, path: &Path| format!("--{option}={}", path.display());
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            file("datadir", &self.folder.path().join("data")),
            file("socket", &self.socket()),
            file("pid-file", &self.folder.path().join("pid")),
            file("ssl-ca", &self.certificates.ca),
            file("ssl-cert", &self.certificates.server),
            file("ssl-key", &self.certificates.key),
            format!("--port={}", self.port),
            tmpdir(self.folder()),
        ];
        // Commits stay as durable as they are by default: tests kill this server and look for what was promised.
        let fixed = [
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--max-connections=500",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=48M",
            "--performance-schema=OFF",
        ];
        arguments.extend(fixed.into_iter().chain(as_root()).map(str::to_owned));
        arguments
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error leaves the work to the reaper.
        let _ = self.kill();
    }
}

/// MariaDB refuses to run as root unless told to.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// A server that starts removes all temporary tables it finds, those of other servers in the same folder too.
fn tmpdir(folder: &Path) -> String {
    format!("--tmpdir={}", folder.join("tmp").display())
}

fn free_port() -> Result<u16, StartError> {
    (0..PORT_TRIES)
        .map(|_| fastrand::u16(PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(StartError::NoPort)
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
