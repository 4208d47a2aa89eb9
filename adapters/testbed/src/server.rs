//! One `mariadbd` process with its data, from installation to removal.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Process, StartError, free_port, tail};
use crate::programs::find_program;
use crate::tls::{self, Certificates};

/// A server process and all it wrote.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    pub(crate) port: u16,
    pub(crate) certificates: Certificates,
    /// Beside what every server is started with.
    options: Vec<String>,
}

impl Server {
    /// Makes an empty installation with certificates and a port; starts nothing yet.
    pub(crate) fn install(options: &[&str]) -> Result<Self, StartError> {
        let process = Process::prepare()?;
        let folder = process.folder();
        let certificates = tls::generate(folder)?;
        let program = find_program("mariadb-install-db")?;
        // Not found, it would only show as a puzzling failure of the script.
        find_program("mariadbd")?;
        let done = Command::new(&program)
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(tmpdir(folder))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(as_root())
            .stdin(Stdio::null())
            .output()
            .map_err(StartError::io(format!("run {}", program.display())))?;
        if !done.status.success() {
            let output = [done.stdout, done.stderr].concat();
            return Err(StartError::Install { status: done.status, output: tail(&String::from_utf8_lossy(&output)) });
        }
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Ok(Self { process, port: free_port()?, certificates, options })
    }

    /// For the next start; kills it, as it listens at the old one.
    pub(crate) fn move_to_another_port(&mut self) -> Result<u16, StartError> {
        self.kill().map_err(StartError::io("kill MariaDB"))?;
        let old = self.port;
        while self.port == old {
            self.port = free_port()?;
        }
        Ok(self.port)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("s")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// Starts the process on the data that is there and waits until `answers` is true.
    pub(crate) fn start(&mut self, answers: impl FnMut() -> bool) -> Result<(), StartError> {
        let mut command = Command::new(find_program("mariadbd")?);
        command.args(self.arguments());
        self.process.start("MariaDB", command, answers)
    }

    /// SIGKILL, and waits for the end. Nothing happens if it does not run.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    fn arguments(&self) -> Vec<String> {
        let file = |option: &str, path: &Path| format!("--{option}={}", path.display());
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            file("datadir", &self.folder().join("data")),
            file("socket", &self.socket()),
            file("pid-file", &self.folder().join("pid")),
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
        // The last one counts.
        arguments.extend(self.options.iter().cloned());
        arguments
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
