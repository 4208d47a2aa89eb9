//! Where both meet: one database, one topic, one queue with dead letters.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch_core::ports::{Record, Records};
use taskwatch_testbed::{Aws, MariaDb, Queue};
use tempfile::TempDir;

use crate::old::{Old, TABLE};
use crate::ours::Ours;
use crate::support::{Database, TEST, call, server, waiting};

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);

/// Long enough for a batch of the old process function, seconds.
const VISIBILITY: &str = "6";
const RECEIVES: u32 = 3;

pub(crate) struct Scene {
    pub(crate) aws: &'static Aws,
    pub(crate) server: &'static MariaDb,
    pub(crate) tasks: Database,
    pub(crate) queue: Queue,
    pub(crate) old: Old,
    pub(crate) folder: TempDir,
    topic: String,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    /// The old system by itself, its queue not yet processed.
    pub(crate) fn old() -> Self {
        // Each test keeps both cores busy already.
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let topic = aws.create_topic(&Aws::unique("new-task-notification")).expect(TEST);
        let dead = aws.create_queue(&Aws::unique("dead"), &[]).expect(TEST);
        let seconds = [("VisibilityTimeout", VISIBILITY)];
        let queue = aws.create_queue_before(&Aws::unique("queue"), &dead, RECEIVES, &seconds).expect(TEST);
        aws.subscribe(&topic, &queue, false).expect(TEST);
        let (server, folder) = (server(), TempDir::new().expect(TEST));
        let tasks = Database::on(server);
        server.sql(&tasks.name, TABLE).expect(TEST);
        let old = Old::deploy(aws, server, &tasks.name, &topic);
        Self { aws, server, tasks, queue, old, folder, topic, _alone: alone }
    }

    /// Brings the database to our schema, and opens our API on it.
    pub(crate) fn migrate(&self) -> Ours {
        self.tasks.with_store(async |store| store.migrate().await.expect(TEST));
        Ours::deploy(self.aws, &self.tasks, &self.topic, &self.folder.path().join("effects"))
    }

    /// Publishes what either system would.
    pub(crate) fn publish(&self, message: &Value) {
        self.publish_text(&message.to_string());
    }

    pub(crate) fn publish_text(&self, message: &str) {
        let call = [("TopicArn", self.topic.as_str()), ("Subject", "New Task Added"), ("Message", message)];
        self.aws.sns("Publish", &call).expect(TEST);
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.tasks.name, statements).expect(TEST).trim_end().to_owned()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.tasks.records()
    }

    /// One.
    pub(crate) fn record(&self, task: i64) -> Record {
        let task = task.try_into().expect(TEST);
        self.tasks.with_store(async |store| store.record(task).await.expect(TEST).expect(TEST))
    }

    pub(crate) fn await_empty_queue(&self) {
        self.until("an empty queue", || waiting(self.aws, &self.queue) == 0);
    }

    /// Waits until nothing is Pending or In Progress any more.
    pub(crate) fn await_end(&self) {
        self.until("the end of all work", || !self.tasks.with_store(async |store| store.any_open().await.expect(TEST)));
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let counts = || self.sql("SELECT status, recorded, COUNT(*) FROM tasks GROUP BY status, recorded");
            assert!(begun.elapsed() < PATIENCE, "still not {what}: {}", counts());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Removes functions with their mappings: the stand-in may be that of other tests as well.
pub(crate) fn remove(aws: &Aws, functions: impl IntoIterator<Item = impl AsRef<str>>) {
    // A test that panics has said enough.
    if !std::thread::panicking() {
        functions.into_iter().for_each(|name| drop(call(aws, name.as_ref(), "remove", &json!({}))));
    }
}

/// `POST /tasks` and `GET /tasks`, of either system.
pub(crate) struct Api {
    agent: ureq::Agent,
    base: String,
}

impl Api {
    pub(crate) fn at(base: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        Self { agent: config.proxy(None).build().new_agent(), base: base.to_owned() }
    }

    /// Adds a task; the answer must be what the browser page expects. Answers the task's id.
    pub(crate) fn add(&self, title: &str, description: Option<&str>) -> i64 {
        let body = json!({ "title": title, "description": description }).to_string();
        let request = self.agent.post(format!("{}/tasks", self.base)).content_type("application/json");
        let answer = read(request.send(body).expect(TEST));
        assert_eq!(answer["message"], "Task added successfully", "{answer}");
        assert_eq!(answer.as_object().expect(TEST).len(), 2, "{answer}");
        answer["task_id"].as_i64().expect(TEST)
    }

    /// All tasks.
    pub(crate) fn list(&self) -> Value {
        self.list_with("")
    }

    pub(crate) fn list_with(&self, query: &str) -> Value {
        read(self.agent.get(format!("{}/tasks{query}", self.base)).call().expect(TEST))
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let text = answer.body_mut().read_to_string().expect(TEST);
    assert_eq!(answer.status(), 200, "{text}");
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    assert_eq!(kind, Some("application/json"));
    serde_json::from_str(&text).expect(TEST)
}
