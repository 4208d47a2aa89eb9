//! A folder with a database of tasks of every kind, and the program run there.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where a test takes place. No setting of whoever runs the tests reaches it.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The classes of the tasks 1 to 5 in every place; of a task 6 nobody knows.
pub(crate) const CLASSES: [&str; 6] = ["completed", "failed", "uncertain", "cancelled", "never-ran", "no-such-task"];

impl Place {
    /// With tasks whose classes are [`CLASSES`].
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.done(&["add", "one"]);
        place.done(&["add", "two"]);
        place.done(&["run", "--until-empty", "--command", "--", "sh", "-c", "! grep -q '\"two\"' || exit 65"]);
        // Another program's, which has died.
        place.tamper("INSERT INTO tasks (title, status) VALUES ('three', 'In Progress')");
        place.done(&["add", "four"]);
        place.done(&["cancel", "4", "--reason", "no longer needed"]);
        place.done(&["add", "five"]);
        place
    }

    fn tamper(&self, sql: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use sqlx::Connection as _;
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("tasks.db"));
            let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program without a database, ready to start.
    pub(crate) fn bare(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        #[cfg(feature = "aws")]
        command.envs(crate::queue::aws().environment());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(["--set", "worker.poll=20ms", "--set", "replay.journals=journals"]).args(args);
        command
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(["--database", "sqlite://tasks.db"]);
        command.args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs to success.
    pub(crate) fn done(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran
    }

    /// Runs to success; each line of its output is a JSON value.
    pub(crate) fn lines(&self, args: &[&str]) -> Vec<Value> {
        self.done(args).lines()
    }

    /// The classes of the letters that `dlq list` finds with these arguments, in order.
    pub(crate) fn classes(&self, args: &[&str]) -> Vec<String> {
        let lines = self.lines(&[&["dlq", "list", "--json"], args].concat());
        lines.iter().map(|line| line["class"].as_str().unwrap().to_owned()).collect()
    }
}

impl Ran {
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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

/// A record as Lambda has it, about this task.
pub(crate) fn record(task: i64) -> Value {
    json!({
        "messageId": format!("message-{task}"), "receiptHandle": "r",
        "body": json!({ "task_id": task, "title": format!("letter {task}"), "priority": task }).to_string(),
        "attributes": {
            "ApproximateReceiveCount": task.to_string(), "SentTimestamp": "1763633471000", "MessageGroupId": "blue",
        },
        "messageAttributes": {
            "TaskwatchReason": { "dataType": "String", "stringValue": format!("failed for good: exit status {task}") },
            "photo": { "dataType": "Binary", "binaryValue": "AAEC" },
        },
    })
}

/// One letter for each of the tasks 1 to 6, and two that are none.
pub(crate) fn capture() -> Vec<u8> {
    let mut text: Vec<u8> = (1..=6).flat_map(|task| format!("{}\n", record(task)).into_bytes()).collect();
    text.extend_from_slice(b"\"nonsense \\u001b[2J\"\n{\"broken\": \xff\n");
    text
}
