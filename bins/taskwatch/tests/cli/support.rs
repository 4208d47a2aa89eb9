//! A folder with a database in it, and the program run there.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Where a test takes place. No setting of whoever runs the tests reaches it.
pub(crate) struct Place(TempDir);

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.0.path()).stdin(Stdio::null());
        command.args(["--database", "sqlite://tasks.db", "--set", "worker.poll=20ms"]).args(args);
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

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
