//! A database, a topic, a queue with dead letters, and the function between them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Record, Records, Store};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore};
use taskwatch_testbed::{Aws, MariaDb, Queue, python};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// Works as the title says: what is `broken` can never be done, what is `flaky` cannot be done yet.
const WORK: &str = "case $(cat) in *broken*) echo 'the disk is full' >&2; exit 65;; *flaky*) exit 1;; esac";

/// Why nothing here can fail, unless the test has.
const TEST: &str = "the scene can be set";

/// How many receives a message gets.
const RECEIVES: u32 = 3;

pub(crate) struct Place {
    pub(crate) aws: &'static Aws,
    pub(crate) topic: String,
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    pub(crate) function: String,
    pub(crate) database: String,
    folder: TempDir,
    runtime: Runtime,
    options: ConnectOptions,
}

impl Place {
    /// Everything but the function, on an empty database with its tables.
    pub(crate) fn new(server: &MariaDb) -> Self {
        Self::with_queue(server, RECEIVES)
    }

    pub(crate) fn with_queue(server: &MariaDb, receives: u32) -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let topic = aws.create_topic(&Aws::unique("topic")).expect(TEST);
        let dead = aws.create_queue(&Aws::unique("dead"), &[]).expect(TEST);
        let seconds = [("VisibilityTimeout", "1")];
        let queue = aws.create_queue_before(&Aws::unique("queue"), &dead, receives, &seconds).expect(TEST);
        aws.subscribe(&topic, &queue, false).expect(TEST);

        let folder = TempDir::new().expect(TEST);
        let password = folder.path().join("password");
        std::fs::write(&password, server.password()).expect(TEST);
        let database = server.create_database().expect(TEST);
        let url = format!("mysql://{}@{}:{}/{database}", server.user(), server.host(), server.port());
        let options = ConnectOptions { password: PasswordSource::File(password), ..ConnectOptions::new(url) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect(TEST);
        let place =
            Self { aws, topic, queue, dead, function: Aws::unique("process"), database, folder, runtime, options };
        place.with_store(async |store| store.migrate().await.expect(TEST));
        place
    }

    /// Deploys the function and maps the queue to it.
    pub(crate) fn deployed(self, partial: bool) -> Self {
        self.deploy(&[("TASKWATCH_LAMBDA_REPORT", if partial { "partial" } else { "whole" })]);
        self.map(partial);
        self
    }

    /// Deploys the function with these variables beside those it needs.
    pub(crate) fn deploy(&self, more: &[(&str, &str)]) {
        let mut environment = json!({
            "TASKWATCH_DATABASE_URL": self.options.url,
            "TASKWATCH_DATABASE_PASSWORD_FILE": self.folder.path().join("password"),
            "TASKWATCH_HANDLER_KIND": "command",
            "TASKWATCH_HANDLER_COMMAND": json!(["sh", "-c", WORK]).to_string(),
            "TASKWATCH_WORKER_BACKOFF_BASE": "1ms",
            "TASKWATCH_WORKER_MAX_ATTEMPTS": "2",
        });
        for (name, value) in more {
            environment[*name] = json!(value);
        }
        let binary = env!("CARGO_BIN_EXE_bootstrap");
        self.call("create", &json!({ "binary": binary, "environment": environment, "timeout": 20 }));
    }

    pub(crate) fn map(&self, partial: bool) {
        self.call("map_queue", &json!({ "queue": self.queue.arn, "partial": partial, "batch": 10 }));
    }

    /// Invokes the function without a queue.
    pub(crate) fn invoke(&self, payload: &Value) -> Value {
        self.call("invoke", &json!({ "payload": payload }))
    }

    /// All that the function has logged.
    pub(crate) fn log(&self) -> String {
        self.call("log", &json!({})).as_str().expect(TEST).to_owned()
    }

    /// One of `function.py`.
    fn call(&self, call: &str, arguments: &Value) -> Value {
        let mut arguments = arguments.clone();
        arguments["name"] = json!(self.function);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/function/function.py");
        let mut child = Command::new(python().unwrap_or_else(|error| panic!("failed to {error}")))
            .arg(script)
            .arg(call)
            .envs(self.aws.environment())
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

    /// Adds tasks as another of our programs would.
    pub(crate) fn add(&self, titles: &[&str]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().copied().map(NewTask::titled).collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect(TEST);
        let origin = Origin::new(Source::Local, "test");
        let insert = async |store: &SqlStore| store.insert(&tasks, &origin, Timestamp::EPOCH + now).await.expect(TEST);
        self.with_store(insert).iter().map(Inserted::task).collect()
    }

    /// Announces a task as the Python system does.
    pub(crate) fn announce(&self, task: TaskId) {
        self.publish(&json!({ "task_id": task, "title": "x", "description": null }).to_string());
    }

    pub(crate) fn publish(&self, message: &str) {
        let call = [("TopicArn", self.topic.as_str()), ("Subject", "New Task Added"), ("Message", message)];
        self.aws.sns("Publish", &call).expect(TEST);
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.with_store(async |store| store.records(None, 10_000).await.expect(TEST))
    }

    /// Where the tasks stand, by id.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.records().iter().map(|record| record.row.as_ref().expect(TEST).status.to_string()).collect()
    }

    /// Waits until the tasks stand like this.
    pub(crate) fn await_statuses(&self, expected: &[&str]) {
        self.until(&format!("{expected:?}"), || self.statuses() == expected);
    }

    /// Waits until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let log = || self.log();
            assert!(begun.elapsed() < PATIENCE, "still not {what}: {:?}\n{}", self.statuses(), log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The bodies in a queue: the announcements inside, or what else was published.
    pub(crate) fn dead_letters(&self, count: usize) -> Vec<String> {
        let messages = self.aws.drain(&self.dead, count).expect(TEST);
        let inside = |message: &Value| {
            let body: Value = serde_json::from_str(message["Body"].as_str().expect(TEST)).expect(TEST);
            body["Message"].as_str().expect(TEST).to_owned()
        };
        messages.iter().map(inside).collect()
    }

    /// How many messages are in a queue, hidden ones too.
    pub(crate) fn waiting(&self, queue: &Queue) -> u32 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let request = json!({ "QueueUrl": queue.url, "AttributeNames": names });
        let answer = self.aws.sqs("GetQueueAttributes", &request).expect(TEST);
        names.iter().map(|name| answer["Attributes"][name].as_str().expect(TEST).parse::<u32>().expect(TEST)).sum()
    }

    /// Every law holds.
    pub(crate) fn audit(&self) {
        let mut audit = Audit::new();
        self.records().iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?} {:?}", books.lines, books.offences);
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&SqlStore) -> T) -> T {
        self.runtime.block_on(async {
            let store = SqlStore::open(&self.options).await.expect(TEST);
            let done = work(&store).await;
            store.close().await;
            done
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The stand-in may be that of other tests as well. One that panics has said enough.
        if !std::thread::panicking() {
            self.call("remove", &json!({}));
        }
    }
}

pub(crate) fn shared() -> &'static MariaDb {
    MariaDb::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}
