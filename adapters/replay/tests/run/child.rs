//! What the tests start as a process of its own, and let kill itself at its n-th boundary: before and after each call to the
//! outside.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source as Home};
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{
    AttemptInfo, Clock as _, Decide, EventSource, Failure, Filter as Page, Handler, Inserted, Lease, Record, Records,
    Seen, Select, SourceError, Store, StoreError,
};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Task, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_replay::Filter;
use taskwatch_replay::journal::{Journal, Source};
use taskwatch_replay::run::{
    Destinations, JournalSource, Listener, Order, Pace, Plan, QueueRunError, Rules, Sending, Told,
};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use taskwatch_sqs_message::{CallError, Outgoing, SendingQueue};
use taskwatch_testkit::{CountingObserver, SeededEntropy};

use crate::bench::{Fast, open};

/// `engine`, `queue`, or `unsure`: a queue that takes the first it is ever sent, and does not say so.
pub(crate) const TASK: &str = "RUN_TEST_TASK";
/// With the database, the journal, and what has come of it all.
pub(crate) const FOLDER: &str = "RUN_TEST_FOLDER";
/// The file that the journal is of.
pub(crate) const LETTERS: &str = "RUN_TEST_LETTERS";
/// Since when time runs fast, in microseconds.
pub(crate) const SINCE: &str = "RUN_TEST_SINCE";
/// Which boundary is the last.
pub(crate) const KILL: &str = "RUN_TEST_KILL";

/// A second is 200 ms, and the shortest lease with it.
pub(crate) const TIMES: u32 = 5;
/// What the handler has done, a task a line.
pub(crate) const EFFECTS: &str = "effects";
/// What the queue has been sent, a message a line.
pub(crate) const SENT: &str = "sent";
/// The queue.
pub(crate) const QUEUE: &str = "https://sqs.test/1/tasks";

pub(crate) async fn database(folder: &Path) -> SqlStore {
    let options = ConnectOptions::new(format!("sqlite:{}", folder.join("tasks.db").display()));
    SqlStore::open(&options).await.unwrap()
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} says what to do: run by other tests"))
}

fn append(path: &Path, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[derive(Clone)]
struct Death {
    at: u32,
    passed: Arc<AtomicU32>,
}

impl Death {
    fn here(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            kill_process(getpid(), Signal::KILL).unwrap();
            loop {
                std::thread::park();
            }
        }
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.here();
        let done = call.await;
        self.here();
        done
    }
}

struct Mortal(Death, SqlStore);

#[async_trait]
impl Store for Mortal {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.0.around(self.1.insert(tasks, origin, now)).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        self.0.around(self.1.transact(select, decide)).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.0.around(self.1.extend(leases, until)).await
    }
}

#[async_trait]
impl Records for Mortal {
    async fn list(&self, page: &Page) -> Result<Vec<TaskRow>, StoreError> {
        self.1.list(page).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.1.records(after, limit).await
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.1.any_open().await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.1.record(task).await
    }

    async fn several(&self, tasks: &[TaskId]) -> Result<Vec<Record>, StoreError> {
        self.0.around(self.1.several(tasks)).await
    }
}

/// Does what the title says.
struct Work(Death, PathBuf);

#[async_trait]
impl Handler for Work {
    async fn handle(&self, task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        self.0.here();
        let id = task.id.to_string();
        let before = std::fs::read_to_string(&self.1).unwrap_or_default().lines().filter(|line| *line == id).count();
        append(&self.1, &id);
        self.0.here();
        match task.title.as_str() {
            "bad" => Err(Failure::permanent("still broken")),
            "again" if before == 0 => Err(Failure::retry_after(Duration::from_millis(500), "busy")),
            _ => Ok(()),
        }
    }
}

struct Hearing(Death);

impl Listener for Hearing {
    fn told(&self, _told: &Told) {
        self.0.here();
    }

    fn passed_over(&self, _count: u64) {
        self.0.here();
    }

    fn trouble(&self, what: &str) {
        panic!("{what}");
    }
}

struct Watched<'a>(Death, JournalSource<'a>);

#[async_trait]
impl EventSource for Watched<'_> {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        self.0.around(self.1.receive(max)).await
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        self.0.around(self.1.answer(answers)).await
    }

    fn keeps(&self) -> bool {
        self.1.keeps()
    }
}

/// A queue that is a file.
struct Queue {
    death: Death,
    folder: PathBuf,
    is_unsure: bool,
}

#[async_trait]
impl SendingQueue for Queue {
    async fn send(&self, queue: &str, messages: &[Outgoing], _within: Duration) -> Vec<Result<(), CallError>> {
        assert_eq!(queue, QUEUE);
        let mut answers = Vec::new();
        for one in messages {
            self.death.here();
            let line = json!({ "deduplication_id": one.deduplication_id, "body": one.original.body });
            let is_first = !self.folder.join(SENT).exists();
            append(&self.folder.join(SENT), &line.to_string());
            self.death.here();
            let silent = || CallError::Unavailable { queue: queue.to_owned(), why: "no answer".to_owned() };
            answers.push(if self.is_unsure && is_first { Err(silent()) } else { Ok(()) });
        }
        answers
    }
}

#[tokio::test]
#[ignore = "run by other tests"]
async fn child() {
    let at = env::var(KILL).map_or(0, |at| at.parse().unwrap());
    let death = Death { at, passed: Arc::default() };
    let (folder, task) = (PathBuf::from(var(FOLDER)), var(TASK));
    let clock = Fast { since: Duration::from_micros(var(SINCE).parse().unwrap()), times: TIMES };
    let source = Source::File(var(LETTERS).into());
    let journal = open(&folder.join("journal"), &source, clock.now()).await;
    let store = Arc::new(Mortal(death.clone(), database(&folder).await));
    let parts = Parts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        handler: Arc::new(Work(death.clone(), folder.join(EFFECTS))),
        clock: Arc::new(clock),
        entropy: Arc::new(SeededEntropy::new(clock.now().as_micros().unsigned_abs())),
        observer: Arc::new(CountingObserver::new()),
        origin: Origin::new(Home::Replay, "child"),
        policy: Policy { concurrency: 2, lease: Duration::from_secs(1), max_attempts: 100, ..Policy::default() },
    };
    let engine = Engine::new(parts).unwrap();
    let rules = Rules { max_replays: 3, uncertain: false, to_queue: task != "engine" };
    let filter = Filter::default();
    let plan = Plan::new(&journal, &filter, None, &rules, None);
    let (why, pace, listener) = ("child: because".to_owned(), Pace::new(None), Hearing(death.clone()));
    let records: &Mortal = &store;
    if task == "engine" {
        let order = Order { why, patience: Duration::from_secs(60), pace };
        let stop = Stop::never();
        let source = JournalSource::new(&journal, plan, &engine, records, order, stop.clone(), &listener);
        let source = Watched(death, source);
        engine.drive(&source, &stop).await;
        source.1.finish().await.unwrap();
    } else {
        send(&journal, plan, &engine, records, Queue { death, folder, is_unsure: task == "unsure" }, &listener).await;
    }
    journal.close().await;
}

async fn send(journal: &Journal, plan: Plan<'_>, engine: &Engine, records: &Mortal, queue: Queue, listener: &Hearing) {
    let destinations = Destinations { fixed: Some(QUEUE.to_owned()), sources: Vec::new() };
    let sending = Sending {
        journal,
        engine,
        records,
        sender: &queue,
        destinations: &destinations,
        why: "child: because".to_owned(),
        pace: Pace::new(None),
        listener,
    };
    match sending.run(plan, &Stop::never()).await {
        Ok(()) => {}
        Err(QueueRunError::Queue { .. }) if queue.is_unsure => panic!("to be run again"),
        Err(error) => panic!("failed to {error}"),
    }
}
