//! What the tests of the deployed function share: a database for it, and calls that set up functions.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use taskwatch_core::laws::Audit;
use taskwatch_core::ports::{Record, Records};
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore};
use taskwatch_testbed::{Aws, MariaDb, Queue, python};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Why nothing here can fail, unless the test has.
pub(crate) const TEST: &str = "the scene can be set";

/// A database of one's own, empty at first, and the way in.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) options: ConnectOptions,
    folder: TempDir,
    runtime: Runtime,
}

impl Database {
    pub(crate) fn on(server: &MariaDb) -> Self {
        let folder = TempDir::new().expect(TEST);
        let password = folder.path().join("password");
        std::fs::write(&password, server.password()).expect(TEST);
        let name = server.create_database().expect(TEST);
        let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
        let options = ConnectOptions { password: PasswordSource::File(password), ..ConnectOptions::new(url) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect(TEST);
        Self { name, options, folder, runtime }
    }

    /// What lets the function in.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "TASKWATCH_DATABASE_URL": self.options.url,
            "TASKWATCH_DATABASE_PASSWORD_FILE": self.folder.path().join("password"),
        })
    }

    pub(crate) fn with_store<T>(&self, work: impl AsyncFnOnce(&SqlStore) -> T) -> T {
        self.runtime.block_on(async {
            let store = SqlStore::open(&self.options).await.expect(TEST);
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.with_store(async |store| store.records(None, 10_000).await.expect(TEST))
    }
}

/// The laws that do not hold, with those who break them.
pub(crate) fn broken_laws(records: &[Record]) -> Vec<String> {
    let mut audit = Audit::new();
    records.iter().for_each(|record| audit.observe(record));
    let books = audit.finish();
    let lines = books.lines.iter().filter(|line| !line.balanced()).map(|line| format!("{}: {line}", line.law));
    lines.chain(books.offences.iter().map(ToString::to_string)).collect()
}

/// One of the calls of `functions.py`.
pub(crate) fn call(aws: &Aws, function: &str, call: &str, arguments: &Value) -> Value {
    let mut arguments = arguments.clone();
    arguments["name"] = json!(function);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/functions.py");
    let mut child = Command::new(python().unwrap_or_else(|error| panic!("failed to {error}")))
        .arg(script)
        .arg(call)
        .envs(aws.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(TEST);
    child.stdin.take().expect(TEST).write_all(arguments.to_string().as_bytes()).expect(TEST);
    let done = child.wait_with_output().expect(TEST);
    assert!(done.status.success(), "{call}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect(TEST)
}

/// How many messages are in a queue, hidden ones too.
pub(crate) fn waiting(aws: &Aws, queue: &Queue) -> u32 {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let request = json!({ "QueueUrl": queue.url, "AttributeNames": names });
    let answer = aws.sqs("GetQueueAttributes", &request).expect(TEST);
    names.iter().map(|name| answer["Attributes"][name].as_str().expect(TEST).parse::<u32>().expect(TEST)).sum()
}

pub(crate) fn server() -> &'static MariaDb {
    MariaDb::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}
