//! An engine whose handler does what a task's title says, and events for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::metric::Metric;
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{
    AttemptInfo, Clock, Decide, Failure, Handler, Inserted, Lease, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{NewTask, Status, Task, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_lambda::{Batches, InvocationError, Options, Report};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy, VirtualClock};

pub(crate) const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
pub(crate) const MARGIN: Duration = Duration::from_secs(10);
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue";

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Does what the title says: `fails`, `hopeless`, `panics`, `takes 30`; anything else is done at once.
pub(crate) struct ByTitle {
    clock: VirtualClock,
    begun: Mutex<Vec<(TaskId, Duration)>>,
}

impl ByTitle {
    fn lock(&self) -> MutexGuard<'_, Vec<(TaskId, Duration)>> {
        // A handler that panics does not hold it.
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Handler for ByTitle {
    async fn handle(&self, task: &Task, _: &AttemptInfo) -> Result<(), Failure> {
        self.lock().push((task.id, self.clock.now().since(START)));
        match task.title.split_once(' ').unwrap_or((&task.title, "")) {
            ("fails", _) => Err(Failure::retry("not today")),
            ("hopeless", _) => Err(Failure::permanent("never")),
            ("panics", _) => panic!("as asked"),
            ("takes", seconds) => {
                self.clock.sleep(secs(seconds.parse().expect("a number of seconds"))).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A database that can stop answering: it neither takes nor refuses.
pub(crate) struct Mute {
    rows: MemoryStore,
    pub(crate) is_mute: AtomicBool,
    pub(crate) is_down: AtomicBool,
}

impl Mute {
    async fn ask(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("connection refused".to_owned()));
        }
        if self.is_mute.load(Ordering::Relaxed) { std::future::pending().await } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Mute {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.rows.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        self.ask().await?;
        self.rows.transact(select, decide).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.ask().await?;
        self.rows.extend(leases, until).await
    }
}

pub(crate) struct Bench {
    pub(crate) clock: VirtualClock,
    pub(crate) store: Arc<Mute>,
    pub(crate) handler: Arc<ByTitle>,
    pub(crate) told: Arc<CountingObserver>,
    pub(crate) engine: Arc<Engine>,
    report: Report,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::reporting(Report::Partial)
    }

    pub(crate) fn reporting(report: Report) -> Self {
        let clock = VirtualClock::new(START);
        let rows = MemoryStore::with_clock(Arc::new(clock.clone()));
        let store = Arc::new(Mute { rows, is_mute: AtomicBool::new(false), is_down: AtomicBool::new(false) });
        let handler = Arc::new(ByTitle { clock: clock.clone(), begun: Mutex::default() });
        let told = Arc::new(CountingObserver::new());
        let parts = Parts {
            store: Arc::<Mute>::clone(&store),
            handler: Arc::<ByTitle>::clone(&handler),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: Arc::<CountingObserver>::clone(&told),
            origin: Origin::new(Source::Lambda, "test"),
            policy: Policy { drain: DRAIN, concurrency: 4, linger: Duration::ZERO, ..Policy::default() },
        };
        let engine = Arc::new(Engine::new(parts).expect("the policy works"));
        Self { clock, store, handler, told, engine, report }
    }

    pub(crate) fn batches(&self) -> Batches {
        let options = Options { report: self.report, margin: MARGIN };
        Batches::new(Arc::clone(&self.engine), options).expect("the drain fits")
    }

    pub(crate) fn add<const N: usize>(&self, titles: [&str; N]) -> [TaskId; N] {
        let tasks = titles.map(NewTask::titled);
        let added = self.clock.run(self.engine.add(&tasks)).expect("the store takes them");
        let ids: Vec<TaskId> = added.iter().map(Inserted::task).collect();
        ids.try_into().expect("as many")
    }

    /// The same with whatever else it is told to use.
    pub(crate) fn work_on(
        &self,
        batches: &Batches,
        event: &Value,
        left: Duration,
    ) -> Result<Vec<String>, InvocationError> {
        let deadline = self.clock.now() + left;
        let response = self.clock.run(batches.work(event, deadline))?;
        assert!(self.clock.now() < deadline, "it answers in time");
        Ok(kept(&serde_json::to_value(response).expect("it is JSON")))
    }

    /// Works an event with five minutes to go, and answers with the ids that are to be kept.
    pub(crate) fn work(&self, event: &Value) -> Result<Vec<String>, InvocationError> {
        self.work_within(event, secs(300))
    }

    pub(crate) fn work_within(&self, event: &Value, left: Duration) -> Result<Vec<String>, InvocationError> {
        self.work_on(&self.batches(), event, left)
    }

    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.store.rows.snapshot().iter().filter_map(|record| record.row.as_ref()?.recorded).collect()
    }

    pub(crate) fn attempts(&self) -> Vec<u32> {
        self.store.rows.snapshot().iter().filter_map(|record| Some(record.row.as_ref()?.attempt)).collect()
    }

    pub(crate) fn dues(&self) -> Vec<Timestamp> {
        self.store.rows.snapshot().iter().filter_map(|record| Some(record.row.as_ref()?.due)).collect()
    }

    pub(crate) fn begun(&self) -> Vec<(TaskId, Duration)> {
        self.handler.lock().clone()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().since(START)
    }

    pub(crate) fn count(&self, metric: Metric) -> usize {
        self.told.count(metric)
    }

    pub(crate) fn audit(&self) {
        let mut audit = Audit::new();
        self.store.rows.snapshot().iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?}", books.offences);
    }
}

/// The identifiers in a response, exactly as it is sent.
fn kept(response: &Value) -> Vec<String> {
    let members: Vec<_> = response.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["batchItemFailures"]);
    let failures = response["batchItemFailures"].as_array().expect("an array");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().expect("a string").to_owned()).collect()
}

/// An event with these records.
pub(crate) fn event(records: impl IntoIterator<Item = Value>) -> Value {
    json!({ "Records": records.into_iter().collect::<Vec<_>>() })
}

/// A record as Lambda makes it, with a raw announcement.
pub(crate) fn record(id: &str, task: TaskId) -> Value {
    record_of(id, &json!({ "task_id": task, "title": "x", "description": null }).to_string())
}

pub(crate) fn record_of(id: &str, body: &str) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": format!("receipt of {id}"),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "eu-west-1",
    })
}

/// The same from a FIFO queue.
pub(crate) fn in_group(group: &str, mut record: Value) -> Value {
    record["eventSourceARN"] = json!(format!("{QUEUE}.fifo"));
    record["attributes"]["MessageGroupId"] = json!(group);
    record
}

/// The same when it has come so often.
pub(crate) fn received(times: u32, mut record: Value) -> Value {
    record["attributes"]["ApproximateReceiveCount"] = json!(times.to_string());
    record
}
