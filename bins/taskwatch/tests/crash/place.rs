//! A folder with a database, and the program run there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnectOptions;
use taskwatch_testbed::MariaDb;
use tempfile::TempDir;

/// Where the tasks are.
pub(crate) enum Database {
    /// A file in the folder.
    Sqlite,
    /// One's own server, which may be killed.
    Own(Box<MariaDb>, String),
    /// A database of one's own on the server that all tests use.
    Shared(&'static MariaDb, String),
}

/// Where a test takes place. No setting of whoever runs the tests reaches it.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) database: Database,
}

impl Place {
    /// With an SQLite file.
    pub(crate) fn sqlite() -> Self {
        Self::at(Database::Sqlite)
    }

    /// With a server of its own.
    pub(crate) fn own_server() -> Self {
        let server = MariaDb::start().unwrap();
        let name = server.create_database().unwrap();
        Self::at(Database::Own(Box::new(server), name))
    }

    /// With a database on the server of all tests.
    pub(crate) fn shared_server() -> Self {
        let server = MariaDb::shared().unwrap();
        let name = server.create_database().unwrap();
        Self::at(Database::Shared(server, name))
    }

    fn at(database: Database) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), database };
        if let Some((server, _)) = place.server() {
            fs::write(place.path("password"), server.password()).unwrap();
        }
        let migrated = place.run(&["migrate"]);
        assert!(migrated.status.success(), "{migrated:?}");
        place
    }

    fn server(&self) -> Option<(&MariaDb, &str)> {
        match &self.database {
            Database::Sqlite => None,
            Database::Own(server, name) => Some((server, name)),
            Database::Shared(server, name) => Some((server, name)),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.folder.path()).stdin(Stdio::null());
        match self.server() {
            None => {
                command.args(["--database", "sqlite://tasks.db"]);
            }
            Some((server, name)) => {
                let (user, host, port) = (server.user(), server.host(), server.port());
                command.arg("--database").arg(format!("mysql://{user}@{host}:{port}/{name}"));
                command.args(["--set", "database.password_file=password", "--set", "database.tls=verify"]);
                command.arg("--set").arg(format!("database.ca_file={}", server.ca_pem_path().display()));
            }
        }
        command.args(args);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Adds tasks; answers with the ids that the program acknowledged.
    pub(crate) fn add(&self, title: &str, count: usize, more: &[&str]) -> Vec<i64> {
        let added = self.run(&[&["add", title, "--json", "--count", &count.to_string()], more].concat());
        assert!(added.status.success(), "{added:?}");
        let json = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let lines = String::from_utf8(added.stdout).unwrap();
        let ids: Vec<i64> = lines.lines().map(|line| json(line)["task_id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), count);
        ids
    }

    /// A file for what a process says.
    pub(crate) fn log(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path(&format!("{name}.log"))).unwrap()
    }

    /// What it said.
    pub(crate) fn said(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap()
    }

    /// The first column that the database itself answers with, past the program.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        if let Some((server, name)) = self.server() {
            return server.sql(name, sql).unwrap().lines().map(str::to_owned).collect();
        }
        in_runtime(async {
            let mut database = sqlx::SqliteConnection::connect_with(&self.sqlite_file()).await.unwrap();
            let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut database).await.unwrap();
            let texts = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
            database.close().await.unwrap();
            texts
        })
    }

    /// How many entries each worker has written.
    pub(crate) fn entries_of_workers(&self) -> BTreeMap<String, u64> {
        let counts = self.ask("SELECT CONCAT_WS(' ', COUNT(*), worker) FROM task_ledger GROUP BY worker");
        let pair = |line: &String| {
            let (count, worker) = line.split_once(' ').unwrap();
            (worker.to_owned(), count.parse().unwrap())
        };
        counts.iter().map(pair).collect()
    }

    /// Whether nobody holds the one lock of an SQLite file; a server has many.
    pub(crate) fn is_unlocked(&self) -> bool {
        if !matches!(self.database, Database::Sqlite) {
            return true;
        }
        let file = self.sqlite_file().busy_timeout(Duration::from_millis(100));
        in_runtime(async {
            let mut database = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut database).await.is_ok()
        })
    }

    fn sqlite_file(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(self.path("tasks.db"))
    }

    /// What has been worked, as the work itself tells: task and attempt, a line for each time.
    pub(crate) fn effects(&self) -> Vec<(i64, u32)> {
        let text = fs::read_to_string(self.path("effects")).unwrap_or_default();
        let pair = |line: &str| {
            let (task, attempt) = line.split_once(' ').unwrap();
            (task.parse().unwrap(), attempt.parse().unwrap())
        };
        text.lines().map(pair).collect()
    }
}

fn in_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
