//! The fixture: a MariaDB that a test may fill, query, kill and restart.

use std::env;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::process::StartError;
use crate::programs::{MissingProgram, find_program};
use crate::server::Server;

/// Hands one server on to other processes: `cargo xtask test` sets it, [`MariaDb::shared`] reads it.
pub const ENV_MARIADB: &str = "TASKWATCH_TEST_MARIADB";

/// How often to look for another port when somebody else was faster.
const STARTS: usize = 3;

/// A MariaDB server on 127.0.0.1 with TLS, for tests.
///
/// One of your own comes from [`MariaDb::start`]; it ends and disappears with the value, or with the process. The one
/// that everybody uses comes from [`MariaDb::shared`], as a shared reference: it cannot be killed.
#[derive(Debug)]
pub struct MariaDb {
    address: Address,
    /// `None` if another process runs it.
    server: Option<Server>,
}

/// All that another process needs to know.
#[derive(Serialize, Deserialize)]
struct Address {
    port: u16,
    socket: PathBuf,
    ca: PathBuf,
    other_ca: PathBuf,
    user: String,
    password: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("port", &self.port).field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Phrased to follow "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// There is no client.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// The client could not be run.
    #[error("run the mariadb client: {0}")]
    Run(#[from] io::Error),
    /// The server refused a statement, or did not answer.
    #[error("run SQL: {message}")]
    Refused {
        /// What the client said.
        message: String,
    },
}

impl MariaDb {
    /// Starts a server of your own and waits until it answers: a few seconds.
    ///
    /// # Errors
    /// [`StartError`]; a missing program is named together with the command that installs it.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&[])
    }

    /// The same with further options, such as `--innodb-file-per-table=0`.
    ///
    /// # Errors
    /// [`StartError`], as [`MariaDb::start`].
    pub fn start_with(options: &[&str]) -> Result<Self, StartError> {
        let mut tries = 1;
        loop {
            match Self::start_once(options) {
                Err(StartError::Died { log, .. }) if tries < STARTS && log.contains("already in use") => tries += 1,
                done => return done,
            }
        }
    }

    fn start_once(options: &[&str]) -> Result<Self, StartError> {
        let server = Server::install(options)?;
        let address = Address {
            port: server.port,
            socket: server.socket(),
            ca: server.certificates.ca.clone(),
            other_ca: server.certificates.other_ca.clone(),
            user: "taskwatch".to_owned(),
            password: format!("{:016x}", fastrand::u64(..)),
        };
        let mut this = Self { address, server: Some(server) };
        this.restart()?;
        let Address { user, password, .. } = &this.address;
        let account = format!(
            "CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO '{user}'@'127.0.0.1' WITH GRANT OPTION;"
        );
        this.sql("mysql", &account).map_err(StartError::Account)?;
        Ok(this)
    }

    /// The server that all tests of this process use; under `cargo xtask test`, those of all processes.
    ///
    /// Take a database of your own with [`MariaDb::create_database`].
    ///
    /// # Errors
    /// [`StartError`], as [`MariaDb::start`].
    pub fn shared() -> Result<&'static Self, StartError> {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        // A test that panicked while starting it leaves nothing half done here.
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = SHARED.get() {
            return Ok(shared);
        }
        let shared = match env::var(ENV_MARIADB) {
            Ok(json) => {
                let handover = |source| StartError::Handover { name: ENV_MARIADB, source };
                Self { address: serde_json::from_str(&json).map_err(handover)?, server: None }
            }
            Err(_) => Self::start()?,
        };
        Ok(SHARED.get_or_init(|| shared))
    }

    /// The value of [`ENV_MARIADB`] that makes [`MariaDb::shared`] of a child process use this server.
    ///
    /// It holds the password, so it belongs into an environment and not into a log.
    #[must_use]
    pub fn handover(&self) -> String {
        serde_json::json!(self.address).to_string()
    }

    /// `mysql://user:password@127.0.0.1:port/database`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Address { port, user, password, .. } = &self.address;
        format!("mysql://{user}:{password}@{}:{port}/{database}", self.host())
    }

    /// Where it listens: 127.0.0.1 only. Its certificate is for this address and for `localhost`.
    #[must_use]
    pub const fn host(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port
    }

    /// A user who may do everything, from 127.0.0.1.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.address.user
    }

    /// Drawn at random for this server; eight bytes in hexadecimal.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.address.password
    }

    /// The authority that signed the server's certificate.
    #[must_use]
    pub fn ca_pem_path(&self) -> &Path {
        &self.address.ca
    }

    /// An authority that did not sign it: a client that trusts only this one must refuse to connect.
    #[must_use]
    pub fn other_ca_pem_path(&self) -> &Path {
        &self.address.other_ca
    }

    /// Creates an empty database with a name that nobody else uses, and answers the name.
    ///
    /// # Errors
    /// [`SqlError`] if the server is down.
    pub fn create_database(&self) -> Result<String, SqlError> {
        let name = format!("t_{:016x}", fastrand::u64(..));
        self.sql("mysql", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Runs statements as the server's root and answers what they select: a line per row, values separated by tabs,
    /// no column names.
    ///
    /// # Errors
    /// [`SqlError`] at the first statement that the server refuses; those before it have been run.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, SqlError> {
        let mut client = Command::new(find_program("mariadb")?)
            .args(["--no-defaults", "--protocol=socket", "--user=root", "--default-character-set=utf8mb4"])
            .args(["--batch", "--skip-column-names"])
            .arg(format!("--socket={}", self.address.socket.display()))
            .arg(format!("--database={database}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A client that cannot connect stops reading: its own message says more than the broken pipe.
        let fed = client.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(statements.as_bytes()));
        let done = client.wait_with_output()?;
        if !done.status.success() {
            let message = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            return Err(SqlError::Refused { message });
        }
        fed?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Ends the server as a crash would: SIGKILL, no flushing, no goodbyes to its clients.
    ///
    /// # Errors
    /// When the kernel refuses, which it does not do for one's own child.
    pub fn kill(&mut self) -> io::Result<()> {
        self.server.as_mut().map_or(Ok(()), Server::kill)
    }

    /// Starts the server again with the same data, port and certificates, killing it first if it runs.
    ///
    /// # Errors
    /// [`StartError`] if it does not come up.
    pub fn restart(&mut self) -> Result<(), StartError> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let killed = server.kill();
        let started = killed
            .map_err(|source| StartError::Io { what: "kill MariaDB".to_owned(), source })
            .and_then(|()| server.start(|| self.sql("mysql", "SELECT 1").is_ok()));
        self.server = Some(server);
        started
    }

    /// Ends the server as a crash would, and starts another process with the same data at another port, as where two
    /// machines share one storage. Answers with the new port, which [`MariaDb::port`] and [`MariaDb::url`] go by as well.
    ///
    /// # Errors
    /// [`StartError`] if it does not come up.
    pub fn fail_over(&mut self) -> Result<u16, StartError> {
        if let Some(server) = self.server.as_mut() {
            self.address.port = server.move_to_another_port()?;
        }
        self.restart()?;
        Ok(self.address.port)
    }

    /// The folder with data, log and socket; `None` if another process runs the server.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.server.as_ref().map(Server::folder)
    }
}
