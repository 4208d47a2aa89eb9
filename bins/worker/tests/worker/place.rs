//! A database, a queue with dead letters, and the workers between them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Record, Records as _, Store as _};
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore};
use taskwatch_testbed::{Aws, Line, MariaDb, Queue};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many receives a message gets before it is a dead letter.
const RECEIVES: u32 = 1_000;

pub(crate) struct Place {
    pub(crate) aws: &'static Aws,
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    pub(crate) folder: TempDir,
    pub(crate) store: SqlStore,
    /// What a worker is told about the database.
    database: Vec<(&'static str, String)>,
    /// How the tests themselves reach it.
    options: ConnectOptions,
}

impl Place {
    /// On an SQLite file of its own.
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("tasks.db");
        let options = ConnectOptions::new(format!("sqlite:{}", file.display()));
        let told = vec![("TASKWATCH_DATABASE_URL", format!("sqlite://{}", file.display()))];
        Self::with(folder, &options, told).await
    }

    /// In a database of its own on this server.
    pub(crate) async fn on(server: &MariaDb) -> Self {
        Self::on_port(server, server.port()).await
    }

    /// The same, with the workers going by another way.
    pub(crate) async fn by(server: &MariaDb, line: &Line) -> Self {
        Self::on_port(server, line.port()).await
    }

    async fn on_port(server: &MariaDb, port: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, server.password()).unwrap();
        let name = server.create_database().unwrap();
        let url = |port: u16| format!("mysql://{}@{}:{port}/{name}", server.user(), server.host());
        let told = vec![
            ("TASKWATCH_DATABASE_URL", url(port)),
            ("TASKWATCH_DATABASE_PASSWORD_FILE", password.display().to_string()),
        ];
        let options =
            ConnectOptions { password: PasswordSource::File(password), ..ConnectOptions::new(url(server.port())) };
        Self::with(folder, &options, told).await
    }

    async fn with(folder: TempDir, options: &ConnectOptions, database: Vec<(&'static str, String)>) -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let dead = aws.create_queue(&Aws::unique("dead"), &[]).unwrap();
        let seconds = [("VisibilityTimeout", "30")];
        let queue = aws.create_queue_before(&Aws::unique("queue"), &dead, RECEIVES, &seconds).unwrap();
        let store = SqlStore::open(options).await.unwrap();
        store.migrate().await.unwrap();
        Self { aws, queue, dead, folder, store, database, options: options.clone() }
    }

    /// The same, where the server has moved to another port.
    pub(crate) async fn moved_to(self, server: &MariaDb) -> Self {
        let name = self.database_name();
        let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
        let options = ConnectOptions { url, ..self.options };
        let store = SqlStore::open(&options).await.unwrap();
        Self { store, options, ..self }
    }

    /// The database's name on its server.
    pub(crate) fn database_name(&self) -> String {
        self.options.url.rsplit('/').next().unwrap().to_owned()
    }

    /// Adds tasks and sends the messages that announce them.
    pub(crate) async fn add(&self, titles: &[&str]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().copied().map(NewTask::titled).collect();
        let origin = Origin::new(Source::Local, "test");
        let inserted = self.store.insert(&tasks, &origin, now()).await.unwrap();
        let tasks: Vec<TaskId> = inserted.iter().map(Inserted::task).collect();
        tasks.iter().for_each(|task| self.announce(*task));
        tasks
    }

    /// Sends a message that announces a task.
    pub(crate) fn announce(&self, task: TaskId) {
        let body = json!({ "task_id": task }).to_string();
        self.aws.sqs("SendMessage", &json!({ "QueueUrl": self.queue.url, "MessageBody": body })).unwrap();
    }

    /// Starts a worker whose tasks do nothing, with these variables beside or instead of what it needs.
    pub(crate) fn worker(&self, settings: &[(&str, &str)]) -> Worker {
        Worker::start(&mut self.command(settings))
    }

    /// What starts a worker.
    pub(crate) fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch-worker"));
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.aws.environment())
            .envs(self.database.iter().map(|(name, value)| (name, value)))
            .env("TASKWATCH_QUEUE_NAME", &self.queue.url)
            .env("TASKWATCH_HANDLER_KIND", "command")
            .env("TASKWATCH_HANDLER_COMMAND", shell("exit 0"))
            .env("TASKWATCH_WORKER_BACKOFF_BASE", "1ms")
            // A stop waits for polls that are under way.
            .env("TASKWATCH_QUEUE_WAIT", "1s")
            .envs(settings.iter().copied());
        command
    }

    pub(crate) async fn records(&self) -> Vec<Record> {
        self.store.records(None, 100_000).await.unwrap()
    }

    pub(crate) async fn record(&self, task: TaskId) -> Record {
        self.store.record(task).await.unwrap().unwrap()
    }

    /// How many tasks there are in each status.
    pub(crate) async fn statuses(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records().await {
            *counts.entry(record.row.unwrap().status.to_string()).or_default() += 1;
        }
        counts
    }

    /// Waits until so many tasks have this status.
    pub(crate) async fn until(&self, status: Status, count: usize) {
        let begun = Instant::now();
        loop {
            let found = self.statuses().await;
            if found.get(status.as_str()) == Some(&count) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not {count} {status}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until at least so many tasks have this status.
    pub(crate) async fn until_at_least(&self, status: Status, count: usize) {
        let begun = Instant::now();
        loop {
            let found = self.statuses().await;
            if found.get(status.as_str()).is_some_and(|found| *found >= count) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "fewer than {count} {status}: {found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every task has been completed, and only once.
    pub(crate) async fn each_completed_once(&self) {
        for record in self.records().await {
            let completed = record.entries.iter().filter(|entry| entry.event == EventKind::Completed).count();
            assert_eq!(completed, 1, "{record:?}");
        }
    }

    /// How many messages are left, hidden ones too.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting_in(&self.queue)
    }

    /// The same, of another queue.
    pub(crate) fn waiting_in(&self, queue: &Queue) -> u32 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = json!({ "QueueUrl": queue.url, "AttributeNames": names });
        let answer = self.aws.sqs("GetQueueAttributes", &asked).unwrap();
        names.iter().map(|name| number(&answer["Attributes"][name])).sum()
    }

    /// Waits until no message is left.
    pub(crate) async fn emptied(&self) {
        let begun = Instant::now();
        while self.waiting() > 0 {
            assert!(begun.elapsed() < PATIENCE, "{} messages are left", self.waiting());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Has a worker end once no message is left, and looks at what it leaves; answers all that it has said.
    pub(crate) async fn ended_well(&self, worker: Worker) -> String {
        self.emptied().await;
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
        self.each_completed_once().await;
        self.audit().await;
        said
    }

    /// The conservation laws, on the ledger as it is.
    pub(crate) async fn audit(&self) {
        let mut audit = Audit::new();
        self.records().await.iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?} {:?}", books.lines, books.offences);
    }
}

fn number(value: &Value) -> u32 {
    value.as_str().unwrap().parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::EPOCH + std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// As `handler.command` takes it.
pub(crate) fn shell(script: &str) -> String {
    json!(["/bin/sh", "-c", script]).to_string()
}

/// Says a figure, to whoever looks at the output of a test.
#[expect(clippy::print_stdout, reason = "it is for people, who see it with --nocapture, or when the test fails")]
pub(crate) fn note(figure: std::fmt::Arguments<'_>) {
    println!("{figure}");
}

/// What a worker is told whose tasks only take their time.
pub(crate) fn pretending(duration: &str) -> [(&str, &str); 3] {
    [
        ("TASKWATCH_HANDLER_KIND", "simulate"),
        ("TASKWATCH_HANDLER_COMMAND", ""),
        ("TASKWATCH_HANDLER_SIMULATE_DURATION", duration),
    ]
}

/// A worker's process. It is killed with the value.
pub(crate) struct Worker {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = thread::spawn(move || read(stderr, &lines));
        Self { child, log, reader: Some(reader) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// All that it has said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// How many lines so far have these words.
    pub(crate) fn lines(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until it has said so.
    pub(crate) async fn says(&mut self, words: &str) {
        self.says_again(words, 1).await;
    }

    /// Waits until it has said so this many times.
    pub(crate) async fn says_again(&mut self, words: &str, times: usize) {
        let begun = Instant::now();
        while self.lines(words) < times {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() || self.lines(words) >= times,
                "it has ended with {ended:?} and not said {words}: {}",
                self.log()
            );
            assert!(begun.elapsed() < PATIENCE, "it does not say {words}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits for its end.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Waits for its end: the exit code, and all that it has said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reader.take().unwrap().join().unwrap();
        (code, self.log())
    }
}

/// Line by line, so that a handler of its that lives on and holds the pipe does not hold up a test.
fn read(stderr: ChildStderr, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
