//! A database, a topic, a queue with dead letters, and the programs between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use taskwatch_core::ports::{Record, Records as _};
use taskwatch_core::transition::EventKind;
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore};
use taskwatch_testbed::{Aws, Front, MariaDb, Queue};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::programs::{self, Ran, Running, TASKWATCH};

/// How long anything may take on a busy machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A task with this in its title can never be done.
pub(crate) const POISON: &str = "poison";

/// What a worker runs.
const WORK: &str = "case $(cat) in *poison*) echo 'the template is broken' >&2; exit 65;; esac";

/// Where the tasks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    MariaDb,
}

/// Of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Standard,
    Fifo,
}

pub(crate) use Database::{MariaDb as Maria, Sqlite};
pub(crate) use Kind::{Fifo, Standard};

pub(crate) struct Place {
    pub(crate) aws: &'static Aws,
    pub(crate) topic: String,
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    folder: TempDir,
    /// What the programs are told of the database.
    database: Vec<(&'static str, String)>,
    store: SqlStore,
    runtime: Runtime,
}

impl Place {
    /// With a queue that gives nothing up by itself.
    pub(crate) fn new(database: Database, kind: Kind) -> Self {
        Self::with(database, kind, 1000, "30")
    }

    /// With a queue that shows a message again after a second, and gives it up after two receives.
    pub(crate) fn redriving(database: Database, kind: Kind) -> Self {
        Self::with(database, kind, 2, "1")
    }

    fn with(database: Database, kind: Kind, receives: u32, visibility: &str) -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let name = |beginning| format!("{}{}", Aws::unique(beginning), if kind == Fifo { ".fifo" } else { "" });
        let dead = aws.create_queue(&name("dead"), &[]).unwrap();
        let seconds = [("VisibilityTimeout", visibility)];
        let queue = aws.create_queue_before(&name("queue"), &dead, receives, &seconds).unwrap();
        let topic = aws.create_topic(&name("topic")).unwrap();
        aws.subscribe(&topic, &queue, false).unwrap();
        let folder = TempDir::new().unwrap();
        let (options, database) = match database {
            Sqlite => {
                let file = folder.path().join("tasks.db");
                let told = vec![("TASKWATCH_DATABASE_URL", format!("sqlite://{}", file.display()))];
                (ConnectOptions::new(format!("sqlite:{}", file.display())), told)
            }
            Maria => {
                let server = MariaDb::shared().unwrap_or_else(|error| panic!("failed to {error}"));
                let password = folder.path().join("password");
                fs::write(&password, server.password()).unwrap();
                let name = server.create_database().unwrap();
                let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
                let told = vec![
                    ("TASKWATCH_DATABASE_URL", url.clone()),
                    ("TASKWATCH_DATABASE_PASSWORD_FILE", password.display().to_string()),
                ];
                (ConnectOptions { password: PasswordSource::File(password), ..ConnectOptions::new(url) }, told)
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let store = SqlStore::open(&options).await.unwrap();
            store.migrate().await.unwrap();
            store
        });
        Self { aws, topic, queue, dead, folder, database, store, runtime }
    }

    /// What programs are told of the database.
    pub(crate) fn database(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.database.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A program in this place.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .envs(self.aws.environment())
            .envs(self.database())
            .env("TASKWATCH_WORKER_BACKOFF_BASE", "1ms")
            .stdin(Stdio::null());
        command
    }

    /// `taskwatch` with these arguments.
    pub(crate) fn taskwatch(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(TASKWATCH);
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.taskwatch(arguments).output().unwrap())
    }

    /// The same by way of a front.
    pub(crate) fn run_by(&self, front: &Front, arguments: &[&str]) -> Ran {
        Ran::of(self.taskwatch(arguments).env("AWS_ENDPOINT_URL", front.endpoint()).output().unwrap())
    }

    /// `taskwatch replay` of the dead letters.
    pub(crate) fn replay(&self, arguments: &[&str]) -> Ran {
        self.run(&self.replaying(arguments))
    }

    /// Its arguments.
    pub(crate) fn replaying<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["replay", &self.dead.arn][..], arguments].concat()
    }

    /// Adds tasks, which are announced; answers their ids.
    pub(crate) fn add(&self, title: &str, count: usize) -> Vec<i64> {
        self.add_with(title, count, &["--set", &format!("announce.target={}", self.topic)])
    }

    /// The same with more arguments, and announced only if those say so.
    pub(crate) fn add_with(&self, title: &str, count: usize, arguments: &[&str]) -> Vec<i64> {
        let count = count.to_string();
        let added = self.run(&[&["add", title, "--count", &count, "--json"][..], arguments].concat()).ends(0);
        added.letters().iter().map(|line| line["task_id"].as_i64().unwrap()).collect()
    }

    /// Sends a message to a queue, as somebody else would; in a FIFO queue, each in the group that it is given.
    pub(crate) fn send(&self, queue: &Queue, body: &str, more: &Value) {
        let mut message = json!({ "QueueUrl": queue.url, "MessageBody": body });
        if queue.arn.ends_with(".fifo") {
            message["MessageGroupId"] = json!("group");
            message["MessageDeduplicationId"] = json!(Aws::unique("once"));
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        self.aws.sqs("SendMessage", &message).unwrap();
    }

    /// Starts a worker that cannot do what is poison, with these variables beside or instead of what it needs.
    pub(crate) fn worker(&self, settings: &[(&str, &str)]) -> Running {
        let mut command = self.command(programs::worker());
        command
            .env("TASKWATCH_QUEUE_NAME", &self.queue.url)
            .env("TASKWATCH_HANDLER_KIND", "command")
            .env("TASKWATCH_HANDLER_COMMAND", shell(WORK))
            // A stop waits for polls that are under way.
            .env("TASKWATCH_QUEUE_WAIT", "1s")
            .envs(settings.iter().copied());
        Running::start(&mut command)
    }

    /// Has a worker work what is announced until so many tasks have failed and so many are completed.
    pub(crate) fn work(&self, settings: &[(&str, &str)], failed: usize, completed: usize) {
        let worker = self.worker(settings);
        self.until_statuses(&[("Failed", failed), ("Completed", completed)]);
        self.until("an empty queue", || self.waiting(&self.queue) == 0);
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
    }

    /// So many dead letters, made by a worker; answers their tasks.
    pub(crate) fn poisoned(&self, count: usize) -> Vec<i64> {
        let tasks = self.add(POISON, count);
        let pretending = [
            ("TASKWATCH_HANDLER_KIND", "simulate"),
            ("TASKWATCH_HANDLER_COMMAND", ""),
            ("TASKWATCH_HANDLER_SIMULATE_DURATION", "0s"),
            ("TASKWATCH_HANDLER_SIMULATE_PERMANENT", "1"),
        ];
        let completed = self.statuses().get("Completed").copied().unwrap_or_default();
        self.work(&pretending, count, completed);
        assert_eq!(self.waiting(&self.dead), count);
        tasks
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.runtime.block_on(self.store.records(None, 100_000)).unwrap()
    }

    pub(crate) fn record(&self, task: i64) -> Record {
        let task = task.try_into().unwrap();
        self.runtime.block_on(self.store.record(task)).unwrap().unwrap()
    }

    /// The kinds of entries in a task's ledger.
    pub(crate) fn events(&self, task: i64) -> Vec<EventKind> {
        self.record(task).entries.iter().map(|entry| entry.event).collect()
    }

    /// How many tasks there are in each status.
    pub(crate) fn statuses(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records() {
            *counts.entry(record.row.unwrap().status.to_string()).or_default() += 1;
        }
        counts
    }

    /// Waits until so many tasks have this status, of each.
    pub(crate) fn until_statuses(&self, expected: &[(&str, usize)]) {
        let count = |status: &str| self.statuses().get(status).copied().unwrap_or_default();
        self.until(&format!("{expected:?}"), || expected.iter().all(|(status, n)| count(status) == *n));
    }

    /// Waits until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let counts = (self.waiting(&self.queue), self.waiting(&self.dead));
            assert!(begun.elapsed() < PATIENCE, "still not {what}: {:?}, {counts:?} on the queues", self.statuses());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many messages are in a queue, hidden ones too.
    pub(crate) fn waiting(&self, queue: &Queue) -> usize {
        let (visible, hidden) = self.counts(queue);
        visible + hidden
    }

    /// How many messages of a queue may be received, and how many somebody has received.
    pub(crate) fn counts(&self, queue: &Queue) -> (usize, usize) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer =
            self.aws.sqs("GetQueueAttributes", &json!({ "QueueUrl": queue.url, "AttributeNames": names })).unwrap();
        let number = |name: &str| answer["Attributes"][name].as_str().unwrap().parse().unwrap();
        (number(names[0]), number(names[1]))
    }

    /// How far the journal of the dead letters is.
    pub(crate) fn journal(&self) -> Value {
        let said = self.replay(&["--status", "--json"]).ends(0);
        let journals: Value = serde_json::from_str(&said.stdout).unwrap();
        journals[0].clone()
    }

    /// The files in the folder of journals.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension() {
                    Some(extension) if extension == "journal" => found.push(path),
                    _ if path.is_dir() => folders.push(path),
                    _ => {}
                }
            }
        }
        found
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Every task has been completed, and only once, and was put back at most so often.
    pub(crate) fn each_completed_once(&self, replays: usize) {
        for record in self.records() {
            let count = |kind| record.entries.iter().filter(|entry| entry.event == kind).count();
            assert_eq!(count(EventKind::Completed), 1, "{record:#?}");
            assert!(count(EventKind::Replayed) <= replays, "{record:#?}");
        }
        self.books_balance();
    }

    pub(crate) fn books_balance(&self) {
        self.run(&["verify"]).ends(0);
    }
}

/// As `handler.command` takes it.
pub(crate) fn shell(script: &str) -> String {
    json!(["/bin/sh", "-c", script]).to_string()
}
