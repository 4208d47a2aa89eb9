//! A folder with a database in it, and the program run there.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Where a test takes place. No setting of whoever runs the tests reaches it.
pub(crate) struct Place {
    folder: TempDir,
    /// The flags that lead to the database.
    database: Vec<String>,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// With an SQLite file that is not there yet.
    pub(crate) fn new() -> Self {
        Self::with(["--database", "sqlite://tasks.db"])
    }

    /// With these flags before every command.
    pub(crate) fn with<const N: usize>(database: [&str; N]) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: database.map(str::to_owned).into() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command.args(&self.database).args(["--set", "worker.poll=20ms"]).args(args);
        command
    }

    pub(crate) fn run<const N: usize>(&self, args: [&str; N]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs it and reads its output as one JSON value; it must succeed.
    pub(crate) fn json<const N: usize>(&self, args: [&str; N]) -> Value {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The status of each task by `list`, oldest first.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let list = self.json(["list", "--json"]);
        list.as_array().unwrap().iter().rev().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
    }

    /// Does what another program could do to the database.
    pub(crate) fn tamper(&self, sql: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use sqlx::Connection as _;
            let mut database = sqlx::SqliteConnection::connect_with(
                &sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("tasks.db")),
            )
            .await
            .unwrap();
            sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        });
    }
}

/// The program at work, which ends with the test at the latest.
pub(crate) struct Running {
    child: Option<Child>,
    heard: Vec<u8>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child: Some(child), heard: Vec::new() }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn hear(&mut self, text: &str) {
        let stderr = self.child.as_mut().unwrap().stderr.as_mut().unwrap();
        let mut more = [0; 1024];
        while !String::from_utf8_lossy(&self.heard).contains(text) {
            let count = stderr.read(&mut more).unwrap();
            assert!(count > 0, "it ended without {text:?}: {}", String::from_utf8_lossy(&self.heard));
            self.heard.extend_from_slice(&more[..count]);
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let mut output = self.child.take().unwrap().wait_with_output().unwrap();
        output.stderr.splice(..0, self.heard.drain(..));
        output.into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Where this fails, it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits for something that has to happen.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
