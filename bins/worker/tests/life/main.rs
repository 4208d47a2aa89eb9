//! The built worker on a queue of MiniStack and an SQLite file: at work, drained, refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Record, Records as _, Store as _};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind::{Added, Completed, Released, Started};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use taskwatch_testbed::{Aws, Queue};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    aws: &'static Aws,
    queue: Queue,
    folder: TempDir,
    store: SqlStore,
}

impl Place {
    async fn new() -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let queue = aws.create_queue(&Aws::unique("queue"), &[("VisibilityTimeout", "30")]).unwrap();
        let folder = TempDir::new().unwrap();
        let store = SqlStore::open(&ConnectOptions::new(url(folder.path()))).await.unwrap();
        store.migrate().await.unwrap();
        Self { aws, queue, folder, store }
    }

    /// Adds tasks and sends the messages that announce them.
    async fn add(&self, titles: &[&str]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().copied().map(NewTask::titled).collect();
        let origin = Origin::new(Source::Local, "test");
        let inserted = self.store.insert(&tasks, &origin, Timestamp::from_micros(1)).await.unwrap();
        let tasks: Vec<TaskId> = inserted.iter().map(Inserted::task).collect();
        for task in &tasks {
            let body = json!({ "task_id": task }).to_string();
            self.aws.sqs("SendMessage", &json!({ "QueueUrl": self.queue.url, "MessageBody": body })).unwrap();
        }
        tasks
    }

    fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch-worker"));
        command
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.aws.environment())
            .env("TASKWATCH_DATABASE_URL", url(self.folder.path()).replacen("sqlite:", "sqlite://", 1))
            .env("TASKWATCH_QUEUE_NAME", &self.queue.url)
            .env("TASKWATCH_HANDLER_KIND", "command")
            .env("TASKWATCH_HANDLER_COMMAND", json!(["/bin/sh", "-c", "exit 0"]).to_string())
            .env("TASKWATCH_WORKER_BACKOFF_BASE", "1ms")
            .stderr(Stdio::piped());
        for (name, value) in settings {
            command.env(name, value);
        }
        Worker(command.spawn().unwrap())
    }

    async fn records(&self) -> Vec<Record> {
        self.store.records(None, 1_000).await.unwrap()
    }

    async fn statuses(&self) -> Vec<String> {
        self.records().await.iter().map(|record| record.row.as_ref().unwrap().status.to_string()).collect()
    }

    async fn until(&self, what: &[&str]) {
        let begun = Instant::now();
        while self.statuses().await != what {
            assert!(begun.elapsed() < PATIENCE, "still not {what:?}: {:?}", self.statuses().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn waiting(&self) -> u32 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = json!({ "QueueUrl": self.queue.url, "AttributeNames": names });
        let answer = self.aws.sqs("GetQueueAttributes", &asked).unwrap();
        names.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u32>().unwrap()).sum()
    }

    async fn audit(&self) {
        let mut audit = Audit::new();
        self.records().await.iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?} {:?}", books.lines, books.offences);
    }
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("tasks.db").display())
}

/// Killed with the value.
struct Worker(Child);

impl Worker {
    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end: the exit code and what it has said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_works_what_is_announced_and_ends_when_it_is_told_to() {
    let place = Place::new().await;
    place.add(&["a"; 25]).await;
    let worker = place.worker(&[]);
    place.until(&["Completed"; 25]).await;
    worker.terminate();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("at work") && said.contains("stopping") && said.contains("done"), "{said}");
    assert_eq!(place.waiting(), 0, "every message is deleted");
    place.audit().await;
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_back_and_another_worker_has_it_at_once() {
    let place = Place::new().await;
    let task = place.add(&["slow"]).await[0];
    let slow = json!(["/bin/sh", "-c", "sleep 600"]).to_string();
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &slow), ("TASKWATCH_WORKER_DRAIN", "200ms")]);
    place.until(&["In Progress"]).await;
    worker.terminate();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    let record = place.store.record(task).await.unwrap().unwrap();
    let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
    assert_eq!((events, record.row.unwrap().attempt), (vec![Added, Started, Released], 0));
    let _other = place.worker(&[]);
    place.until(&["Completed"]).await;
    let record = place.store.record(task).await.unwrap().unwrap();
    assert_eq!(record.entries.last().map(|entry| entry.event), Some(Completed));
    place.audit().await;
}

#[tokio::test]
async fn what_keeps_it_from_working_is_named() {
    let place = Place::new().await;
    for (settings, code, word) in [
        ([("TASKWATCH_QUEUE_NAME", "")], 2, "queue.name"),
        ([("TASKWATCH_HANDLER_KIND", "")], 2, "handler.kind"),
        ([("TASKWATCH_QUEUE_WAIT", "21s")], 2, "queue.wait"),
        ([("TASKWATCH_ANNOUNCE_TARGET", "nowhere")], 2, "announce.target"),
        ([("TASKWATCH_DATABASE_URL", "sqlite:///no/such/folder/tasks.db")], 4, "/no/such/folder"),
    ] {
        let (found, said) = place.worker(&settings).end();
        assert_eq!(found, Some(code), "{settings:?}: {said}");
        assert!(said.contains(word), "{settings:?}: {said}");
    }
}
