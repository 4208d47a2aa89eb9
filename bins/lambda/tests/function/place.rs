//! A database, a topic, a queue with dead letters, and the function between them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Record, Store};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_sql_store::SqlStore;
use taskwatch_testbed::{Aws, Line, MariaDb, Queue};

pub(crate) use crate::support::server as shared;
use crate::support::{self, Database, TEST};

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// Works as the title says: what is `broken` can never be done, what is `flaky` cannot be done yet.
const WORK: &str = "case $(cat) in *broken*) echo 'the disk is full' >&2; exit 65;; *flaky*) exit 1;; esac";

/// How many receives a message gets.
const RECEIVES: u32 = 3;

pub(crate) struct Place {
    pub(crate) aws: &'static Aws,
    pub(crate) topic: String,
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    pub(crate) function: String,
    pub(crate) database: String,
    tasks: Database,
}

impl Place {
    /// Everything but the function, on an empty database with its tables.
    pub(crate) fn new(server: &MariaDb) -> Self {
        Self::with_queue(server, RECEIVES)
    }

    pub(crate) fn with_queue(server: &MariaDb, receives: u32) -> Self {
        Self::with_visibility(server, receives, "1")
    }

    /// A queue that shows a message again after so many seconds.
    pub(crate) fn with_visibility(server: &MariaDb, receives: u32, visibility: &str) -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let topic = aws.create_topic(&Aws::unique("topic")).expect(TEST);
        let dead = aws.create_queue(&Aws::unique("dead"), &[]).expect(TEST);
        let seconds = [("VisibilityTimeout", visibility)];
        let queue = aws.create_queue_before(&Aws::unique("queue"), &dead, receives, &seconds).expect(TEST);
        aws.subscribe(&topic, &queue, false).expect(TEST);

        let tasks = Database::on(server);
        let place =
            Self { aws, topic, queue, dead, function: Aws::unique("process"), database: tasks.name.clone(), tasks };
        place.tasks.with_store(async |store| store.migrate().await.expect(TEST));
        place
    }

    /// Deploys the function and maps the queue to it.
    pub(crate) fn deployed(self, partial: bool) -> Self {
        self.deploy(&[("TASKWATCH_LAMBDA_REPORT", if partial { "partial" } else { "whole" })]);
        self.map(partial);
        self
    }

    /// Deploys the function with these variables beside those it needs. It leaves everything to the queue.
    pub(crate) fn deploy(&self, more: &[(&str, &str)]) {
        let leaves = [("TASKWATCH_QUEUE_VISIBILITY", "false"), ("TASKWATCH_QUEUE_DEAD_LETTERS", "redrive")];
        self.deploy_with(leaves.iter().chain(more));
    }

    /// The same, as it is by default: it calls SQS.
    #[cfg(feature = "aws")]
    pub(crate) fn deploy_calling(&self, more: &[(&str, &str)]) {
        self.deploy_with(self.aws.environment().iter().chain(more));
    }

    fn deploy_with<'a>(&self, more: impl Iterator<Item = &'a (&'a str, &'a str)>) {
        let mut environment = self.tasks.settings();
        let command = json!(["sh", "-c", WORK]).to_string();
        let work = [
            ("TASKWATCH_HANDLER_KIND", "command"),
            ("TASKWATCH_HANDLER_COMMAND", &command),
            ("TASKWATCH_WORKER_BACKOFF_BASE", "1ms"),
            ("TASKWATCH_WORKER_MAX_ATTEMPTS", "2"),
        ];
        for (name, value) in work {
            environment[name] = json!(value);
        }
        for (name, value) in more {
            environment[*name] = json!(value);
        }
        let binary = env!("CARGO_BIN_EXE_bootstrap");
        self.call("create", &json!({ "binary": binary, "environment": environment, "timeout": 20 }));
    }

    /// The database's address by way of this port.
    pub(crate) fn url_by(&self, line: &Line) -> String {
        let (way, database) = self.tasks.options.url.rsplit_once(':').expect(TEST);
        let (_, name) = database.split_once('/').expect(TEST);
        format!("{way}:{}/{name}", line.port())
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

    fn call(&self, call: &str, arguments: &Value) -> Value {
        support::call(self.aws, &self.function, call, arguments)
    }

    /// Adds tasks as another of our programs would.
    pub(crate) fn add(&self, titles: &[&str]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().copied().map(NewTask::titled).collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect(TEST);
        let origin = Origin::new(Source::Local, "test");
        let insert = async |store: &SqlStore| store.insert(&tasks, &origin, Timestamp::EPOCH + now).await.expect(TEST);
        self.tasks.with_store(insert).iter().map(Inserted::task).collect()
    }

    /// Announces a task as the Python system does.
    pub(crate) fn announce(&self, task: TaskId) {
        self.publish(&json!({ "task_id": task, "title": "x", "description": null }).to_string());
    }

    pub(crate) fn publish(&self, message: &str) {
        let call = [("TopicArn", self.topic.as_str()), ("Subject", "New Task Added"), ("Message", message)];
        self.aws.sns("Publish", &call).expect(TEST);
    }

    /// Makes a bucket with one object.
    #[cfg(feature = "aws")]
    pub(crate) fn create_bucket(&self, bucket: &str, key: &str, content: &str) {
        let region = self.aws.region();
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.put(&format!("{}/{bucket}", self.aws.endpoint()), &place);
        self.put(&format!("{}/{bucket}/{key}", self.aws.endpoint()), content);
    }

    #[cfg(feature = "aws")]
    fn put(&self, url: &str, content: &str) {
        let credential = "Credential=test/20261123/eu-west-1/s3/aws4_request";
        let authorization = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0");
        let put = ureq::put(url).header("authorization", authorization).send(content);
        put.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.tasks.records()
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
        support::waiting(self.aws, queue)
    }

    /// Every law holds.
    pub(crate) fn audit(&self) {
        let broken = support::broken_laws(&self.records());
        assert!(broken.is_empty(), "{broken:#?}");
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
