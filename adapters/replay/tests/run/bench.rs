//! Tasks, letters about them, and an engine whose time runs fast.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::Value;
use taskwatch_core::delivery::Delivery;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source as Home};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{Clock, Failure, Record, Records as _, Store};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_replay::journal::{By, Entry, Journal, OpenError, Outcome, Source, State};
use taskwatch_replay::run::{Fate, JournalSource, Order, Pace, Plan, Rules, RunError};
use taskwatch_replay::{Edit, Filter};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy};
use tempfile::TempDir;

use crate::letters::lines;
use crate::store::Faulty;
use crate::work::{Heard, Script, Step};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The machine's clock, some times as fast since a moment.
#[derive(Clone, Copy)]
pub(crate) struct Fast {
    pub(crate) since: Duration,
    pub(crate) times: u32,
}

impl Fast {
    pub(crate) fn new(times: u32) -> Self {
        Self { since: Self::wall(), times }
    }

    pub(crate) fn wall() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }
}

#[async_trait]
impl Clock for Fast {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + self.since + Self::wall().saturating_sub(self.since) * self.times
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.times).await;
    }
}

/// How a run is to go.
pub(crate) struct How {
    pub(crate) filter: Filter,
    pub(crate) edit: Option<Edit>,
    pub(crate) rules: Rules,
    pub(crate) limit: Option<u64>,
    pub(crate) patience: Duration,
    pub(crate) pace: Option<&'static str>,
    pub(crate) why: String,
    pub(crate) stop: Stop,
    /// The database does, with the first letter that is told of.
    pub(crate) comes_back: bool,
}

impl Default for How {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            edit: None,
            rules: Rules { max_replays: 3, uncertain: false, to_queue: false },
            limit: None,
            patience: 60 * SECOND,
            pace: None,
            why: "tests: because".to_owned(),
            stop: Stop::never(),
            comes_back: false,
        }
    }
}

impl How {
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(self.pace.map(|rate| rate.parse().unwrap()))
    }
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) fates: BTreeMap<i64, Fate>,
    pub(crate) result: Result<(), RunError>,
    pub(crate) without_database: u64,
    pub(crate) heard: Heard,
}

impl Ran {
    /// In a word, by letter.
    pub(crate) fn names(&self) -> Vec<(i64, &'static str)> {
        self.fates.iter().map(|(number, fate)| (*number, fate.name())).collect()
    }
}

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Fast,
    pub(crate) store: Arc<Faulty>,
    pub(crate) script: Arc<Script>,
    pub(crate) engine: Engine,
}

impl Bench {
    /// A second is a millisecond.
    pub(crate) fn new() -> Self {
        Self::with(4)
    }

    /// A second is ten, so that patience does not end while the machine is busy. One at a time.
    pub(crate) fn slow() -> Self {
        Self::of(Policy { concurrency: 1, ..policy() }, 100)
    }

    /// So many at once.
    pub(crate) fn with(concurrency: usize) -> Self {
        Self::of(Policy { concurrency, ..policy() }, 1000)
    }

    /// Which gives what runs more time to end than a test has. A second is a tenth: an hour is longer than any test.
    pub(crate) fn draining() -> Self {
        Self::of(Policy { drain: 1000 * HOUR, ..policy() }, 10)
    }

    fn of(policy: Policy, times: u32) -> Self {
        let clock = Fast::new(times);
        let store = Arc::new(Faulty::new(MemoryStore::with_clock(Arc::new(clock))));
        let script = Arc::new(Script::default());
        let engine = engine(&store, &script, clock, policy);
        Self { folder: tempfile::tempdir().unwrap(), clock, store, script, engine }
    }

    pub(crate) async fn add(&self, task: NewTask) -> TaskId {
        self.engine.add(&[task]).await.unwrap()[0].task()
    }

    pub(crate) async fn task(&self) -> TaskId {
        self.add(NewTask::titled("Sweep")).await
    }

    pub(crate) async fn tasks(&self, count: usize) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        for _ in 0..count {
            tasks.push(self.task().await);
        }
        tasks
    }

    /// One attempt at it.
    pub(crate) async fn deliver(&self, task: TaskId) {
        self.engine.process(vec![Delivery::of(task, "receipt")], &Stop::never()).await;
        self.script.ran();
    }

    /// It fails for good.
    pub(crate) async fn fail(&self, task: TaskId) {
        self.script.next(task, Step::Fail(Failure::permanent("it broke")));
        self.deliver(task).await;
        assert_eq!(self.status(task).await, Some(Status::Failed));
    }

    pub(crate) async fn failed(&self) -> TaskId {
        let task = self.task().await;
        self.fail(task).await;
        task
    }

    /// Somebody starts the task that is due first, with a lease for so long, and is never heard of again.
    pub(crate) async fn vanish(&self, task: TaskId, lease: Duration) {
        let engine = engine(&self.store, &self.script, self.clock, Policy { lease, ..policy() });
        let claimed = engine.claim_due(1).await.unwrap();
        assert_eq!(claimed.iter().map(|attempt| attempt.task.id).collect::<Vec<_>>(), [task]);
    }

    /// The same, and whoever finds it gives it up.
    pub(crate) async fn abandon(&self, task: TaskId) {
        self.vanish(task, SECOND).await;
        while self.engine.rescue(10).await.unwrap() == 0 {
            self.clock.sleep(SECOND).await;
        }
        assert_eq!(self.status(task).await, Some(Status::Failed));
    }

    pub(crate) async fn record(&self, task: TaskId) -> Option<Record> {
        self.store.memory.record(task).await.unwrap()
    }

    pub(crate) async fn status(&self, task: TaskId) -> Option<Status> {
        self.record(task).await?.row?.standing().known()
    }

    /// Why it was put back, each time.
    pub(crate) async fn replays(&self, task: TaskId) -> Vec<String> {
        let entries = self.record(task).await.unwrap().entries.into_iter();
        let replays = entries.filter(|entry| entry.event == EventKind::Replayed);
        replays.map(|entry| entry.reason.unwrap_or_default()).collect()
    }

    fn source(&self) -> Source {
        Source::File(self.folder.path().join("letters"))
    }

    /// A journal of these letters.
    pub(crate) async fn journal(&self, letters: &[Value]) -> Journal {
        std::fs::write(self.folder.path().join("letters"), lines(letters)).unwrap();
        let journal = self.open().await;
        let captured = journal.capture_file(&self.clock, &Stop::never(), &|_| {}).await.unwrap();
        assert!(captured.is_complete);
        journal
    }

    /// In a run of its own.
    pub(crate) async fn open(&self) -> Journal {
        open(&self.folder.path().join("journal"), &self.source(), self.clock.now()).await
    }

    /// Until the engine has no more.
    pub(crate) async fn run(&self, journal: &Journal, how: How) -> Ran {
        let mut heard = Heard::default();
        heard.comes_back = how.comes_back.then(|| Arc::clone(&self.store));
        let plan = Plan::new(journal, &how.filter, how.edit.as_ref(), &how.rules, how.limit);
        let order = Order { why: how.why.clone(), patience: how.patience, pace: how.pace() };
        let records: &Faulty = &self.store;
        let source = JournalSource::new(journal, plan, &self.engine, records, order, how.stop.clone(), &heard);
        let driven = tokio::time::timeout(Duration::from_secs(60), self.engine.drive(&source, &how.stop));
        driven.await.expect("the run ends");
        let result = source.finish().await;
        let without_database = source.without_database();
        drop(source);
        Ran { fates: heard.fates(), result, without_database, heard }
    }

    /// Set by what the script says.
    pub(crate) fn stop(&self) -> Stop {
        let stop = Arc::clone(&self.script.stop);
        Stop::when(async move { stop.notified().await })
    }

    pub(crate) fn assert_balanced(&self) {
        let mut audit = Audit::new();
        self.store.memory.snapshot().iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?}", books.offences);
    }
}

fn policy() -> Policy {
    Policy {
        lease: HOUR,
        time_limit: HOUR,
        max_attempts: 3,
        backoff: Backoff { base: SECOND, cap: SECOND },
        drain: Duration::ZERO,
        ..Policy::default()
    }
}

fn engine(store: &Arc<Faulty>, script: &Arc<Script>, clock: Fast, policy: Policy) -> Engine {
    let parts = Parts {
        store: Arc::clone(store) as Arc<dyn Store>,
        handler: Arc::clone(script) as _,
        clock: Arc::new(clock),
        entropy: Arc::new(SeededEntropy::new(1)),
        observer: Arc::new(CountingObserver::new()),
        origin: Origin::new(Home::Replay, "tests"),
        policy,
    };
    Engine::new(parts).unwrap()
}

/// Once its lock is back: whoever starts a process hands it on to that for a moment, as other tests do.
pub(crate) async fn open(path: &std::path::Path, source: &Source, now: Timestamp) -> Journal {
    let by = By { who: "tests".to_owned(), reason: None };
    for _ in 0..4000 {
        match Journal::open(path, source, &by, now).await {
            Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays in use", path.display());
}

pub(crate) async fn entries(journal: &Journal) -> Vec<Entry> {
    journal.entries(None, usize::MAX).await.unwrap()
}

/// How far each is.
pub(crate) async fn states(journal: &Journal) -> Vec<(State, Option<Outcome>)> {
    entries(journal).await.iter().map(|entry| (entry.state, entry.outcome)).collect()
}

pub(crate) const KEPT: (State, Option<Outcome>) = (State::Kept, None);
pub(crate) const COMPLETED: (State, Option<Outcome>) = (State::Settled, Some(Outcome::Completed));
pub(crate) const FAILED: (State, Option<Outcome>) = (State::Settled, Some(Outcome::Failed));
pub(crate) const DROPPED: (State, Option<Outcome>) = (State::Settled, Some(Outcome::Dropped));
