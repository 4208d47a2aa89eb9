//! The database: tasks to be worked, and whether they were.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use taskwatch_testbed::MariaDb;

use crate::workspace::{Workspace, output, quiet, run};

pub(super) const TITLE: &str = "Send the invoice for order 4711";
pub(super) const DESCRIPTION: &str =
    "To the address in the order, with a copy to accounting. Not before the goods left.";

/// Rows of one INSERT.
const CHUNK: usize = 1_000;

/// Who added the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rows {
    /// The Python system: taskwatch has to adopt them.
    Python,
    /// taskwatch.
    Taskwatch,
}

impl Rows {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Python => "of Python",
            Self::Taskwatch => "of taskwatch",
        }
    }
}

/// A migrated database of its own on a server of its own.
#[derive(Debug)]
pub(super) struct Tasks<'a> {
    pub(super) server: &'a MariaDb,
    database: String,
    password_file: PathBuf,
    /// The command line, which migrates and adds.
    program: PathBuf,
}

impl<'a> Tasks<'a> {
    /// Keeps the password in a file in `folder`.
    pub(super) fn prepare(workspace: &Workspace, server: &'a MariaDb, folder: &Path) -> Result<Self> {
        run(&mut workspace.cargo(["build", "--package", "taskwatch"].into_iter().chain(quiet())))?;
        let password_file = folder.join("password");
        fs::write(&password_file, server.password()).context("failed to write the password")?;
        // Another build may replace the original at any time.
        let program = folder.join("command-line");
        fs::copy(workspace.target_folder()?.join("debug/taskwatch"), &program).context("failed to copy taskwatch")?;
        Self { server, database: String::new(), password_file, program }.anew()
    }

    /// Another one, empty, on the same server.
    pub(super) fn anew(&self) -> Result<Self> {
        let database = self.server.create_database().map_err(|error| anyhow!("failed to {error}"))?;
        let (password_file, program) = (self.password_file.clone(), self.program.clone());
        let tasks = Self { server: self.server, database, password_file, program };
        output(&mut tasks.taskwatch(["migrate"]))?;
        Ok(tasks)
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<()> {
        self.sql(&format!("DROP DATABASE {}", self.database)).map(drop)
    }

    /// How a program reaches the database, by this port.
    pub(super) fn variables(&self, port: u16) -> Vec<(&'static str, String)> {
        let (user, host) = (self.server.user(), self.server.host());
        vec![
            ("TASKWATCH_DATABASE_URL", format!("mysql://{user}@{host}:{port}/{}", self.database)),
            ("TASKWATCH_DATABASE_PASSWORD_FILE", self.password_file.display().to_string()),
            ("TASKWATCH_DATABASE_CA_FILE", self.server.ca_pem_path().display().to_string()),
        ]
    }

    fn taskwatch<S: Into<OsString>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments.into_iter().map(Into::into)).envs(self.variables(self.server.port()));
        command
    }

    /// Runs SQL in the database.
    pub(super) fn sql(&self, statements: &str) -> Result<String> {
        self.server.sql(&self.database, statements).map_err(|error| anyhow!("failed to {error}"))
    }

    /// Adds tasks and answers their ids.
    pub(super) fn add(&self, count: usize, rows: Rows) -> Result<Vec<i64>> {
        let ids = match rows {
            Rows::Python => self.add_as_python(count)?,
            Rows::Taskwatch => self.add_as_taskwatch(count)?,
        };
        ensure!(ids.len() == count, "{count} tasks were to be added, and {} were", ids.len());
        Ok(ids)
    }

    fn add_as_python(&self, count: usize) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let chunk = CHUNK.min(count - ids.len());
            let rows = vec![format!("('{TITLE}', '{DESCRIPTION}', 'Pending')"); chunk].join(", ");
            // One INSERT numbers its rows without gaps.
            let insert =
                format!("INSERT INTO tasks (title, description, status) VALUES {rows}; SELECT LAST_INSERT_ID();");
            let first: i64 = self.sql(&insert)?.trim().parse().context("the server tells no id")?;
            ids.extend((first..).take(chunk));
        }
        Ok(ids)
    }

    fn add_as_taskwatch(&self, count: usize) -> Result<Vec<i64>> {
        let count = count.to_string();
        let lines =
            output(&mut self.taskwatch(["add", TITLE, "--description", DESCRIPTION, "--json", "--count", &count]))?;
        let id = |line: &str| serde_json::from_str::<Value>(line).ok()?["task_id"].as_i64();
        lines.lines().map(|line| id(line).with_context(|| format!("no task_id: {line}"))).collect()
    }

    /// Fails unless every one of these tasks is completed.
    pub(super) fn insist_on_completed(&self, ids: &[i64]) -> Result<()> {
        for chunk in ids.chunks(CHUNK) {
            let list = chunk.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "SELECT COUNT(*) FROM tasks WHERE status = 'Completed' AND id IN ({list}); \
                 SELECT id, status FROM tasks WHERE status <> 'Completed' AND id IN ({list}) LIMIT 3;"
            );
            let found = self.sql(&sql)?;
            let (completed, others) = found.split_once('\n').unwrap_or((&found, ""));
            ensure!(
                completed.parse() == Ok(chunk.len()),
                "of {} tasks {completed} are completed; others: {}",
                chunk.len(),
                others.trim().replace('\n', ", ")
            );
        }
        Ok(())
    }

    /// Fails unless the conservation laws hold for all ledgers.
    pub(super) fn verify(&self) -> Result<()> {
        output(&mut self.taskwatch(["verify"])).map(drop).context("the books do not balance")
    }

    /// How many statements the server has run for anybody, by kind, and all of them as `Questions`.
    pub(super) fn statements(&self) -> Result<Vec<(String, u64)>> {
        let status =
            self.sql("SHOW GLOBAL STATUS WHERE Variable_name = 'Questions' OR Variable_name LIKE 'Com\\_%'")?;
        let counts = status.lines().filter_map(|line| {
            let (name, count) = line.split_once('\t')?;
            Some((name.trim_start_matches("Com_").to_owned(), count.parse().ok()?))
        });
        Ok(counts.collect())
    }
}
