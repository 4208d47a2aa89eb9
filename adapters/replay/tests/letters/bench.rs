//! A store, an engine in virtual time, and letters about its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{
    Clock as _, Decide, EventSource, Inserted, Lease, Record, Records as _, Seen, Select, SourceError, Store,
    StoreError,
};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_replay::journal::{Content, Entry, State};
use taskwatch_replay::{Class, Letter, classify};
use taskwatch_sqs_message::{Received, SqsRecord};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy, VirtualClock};

use crate::work::{Script, Work};

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_000_000_000);

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(100);
pub(crate) const ADOPT_AFTER: Duration = Duration::from_secs(600);

pub(crate) struct Bench {
    pub(crate) store: MemoryStore,
    pub(crate) clock: VirtualClock,
    pub(crate) engine: Engine,
    /// What the handler does next.
    pub(crate) script: Arc<Script>,
    /// Leases cannot be renewed any more.
    pub(crate) no_renewals: Arc<AtomicBool>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = VirtualClock::new(START);
        let store = MemoryStore::with_clock(Arc::new(clock.clone()));
        let script = Arc::new(Script::default());
        let no_renewals = Arc::new(AtomicBool::new(false));
        let engine = Engine::new(Parts {
            store: Arc::new(Unrenewed { store: store.clone(), no_renewals: Arc::clone(&no_renewals) }),
            handler: Arc::new(Work { script: Arc::clone(&script), clock: clock.clone() }),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: Arc::new(CountingObserver::new()),
            origin: Origin::new(Source::Ec2, "bench"),
            policy: Policy {
                lease: LEASE,
                time_limit: TIME_LIMIT,
                max_attempts: 3,
                adopt_after: ADOPT_AFTER,
                drain: Duration::ZERO,
                backoff: Backoff { base: Duration::from_secs(8), cap: Duration::from_secs(8) },
                ..Policy::default()
            },
        })
        .unwrap();
        Self { store, clock, engine, script, no_renewals }
    }

    pub(crate) fn add(&self, task: NewTask) -> TaskId {
        self.clock.run(self.engine.add(&[task])).unwrap()[0].task()
    }

    /// Delivers it once.
    pub(crate) fn deliver(&self, task: TaskId) -> Vec<Answered> {
        self.clock.run(self.engine.process(vec![Delivery::of(task, "receipt")], &Stop::never()))
    }

    /// Delivers it, and stops while it runs.
    pub(crate) fn deliver_and_stop(&self, task: TaskId) -> Vec<Answered> {
        let clock = self.clock.clone();
        let stop = Stop::when(async move { clock.sleep(Duration::from_secs(1)).await });
        self.clock.run(self.engine.process(vec![Delivery::of(task, "receipt")], &stop))
    }

    /// Delivers it from a source that says after a second that it has lost it.
    pub(crate) fn deliver_and_lose(&self, task: TaskId) {
        let source =
            Losing { task, clock: self.clock.clone(), given: AtomicBool::new(false), told: AtomicBool::new(false) };
        self.clock.run(self.engine.drive(&source, &Stop::never()));
    }

    /// Starts an attempt whose worker is never heard of again.
    pub(crate) fn start_and_vanish(&self) {
        assert_eq!(self.clock.run(self.engine.claim_due(1)).unwrap().len(), 1);
    }

    pub(crate) fn rescue(&self) {
        assert_eq!(self.clock.run(self.engine.rescue(10)).unwrap(), 1);
    }

    pub(crate) fn record(&self, task: TaskId) -> Option<Record> {
        self.clock.run(self.store.record(task)).unwrap()
    }

    /// The class of a letter about this task.
    pub(crate) fn class(&self, task: TaskId) -> Class {
        classify(&letter(&format!(r#"{{"task_id": {task}}}"#)), self.record(task).as_ref(), self.clock.now())
    }
}

/// A letter with this body.
pub(crate) fn letter(body: &str) -> Letter {
    let record = SqsRecord { body: Some(body.to_owned()), ..SqsRecord::default() };
    Letter::of(&entry(1, Some("message-1"), Content::Message(Received { record, attributes: BTreeMap::new() })))
}

/// An entry that has just been captured.
pub(crate) fn entry(number: i64, message_id: Option<&str>, content: Content) -> Entry {
    Entry {
        number: number.into(),
        state: State::Kept,
        content,
        message_id: message_id.map(str::to_owned),
        place: None,
        captured_at: START,
        times: 1,
        begins: 0,
        changed: None,
        outcome: None,
        why: None,
        destination: None,
        edited: None,
    }
}

/// A store that can be told to renew no leases.
struct Unrenewed {
    store: MemoryStore,
    no_renewals: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Unrenewed {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.store.insert(tasks, origin, now).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        self.store.transact(select, decide).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        if self.no_renewals.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("not today".to_owned()));
        }
        self.store.extend(leases, until).await
    }
}

/// A source of one delivery, which it loses.
struct Losing {
    task: TaskId,
    clock: VirtualClock,
    given: AtomicBool,
    told: AtomicBool,
}

#[async_trait]
impl EventSource for Losing {
    async fn receive(&self, _max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        Ok((!self.given.swap(true, Ordering::SeqCst)).then(|| vec![Delivery::of(self.task, "receipt")]))
    }

    async fn answer(&self, _answers: Vec<Answered>) -> Result<(), SourceError> {
        Ok(())
    }

    async fn lost(&self) -> Vec<String> {
        if self.told.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        self.clock.sleep(Duration::from_secs(1)).await;
        self.told.store(true, Ordering::SeqCst);
        vec!["receipt".to_owned()]
    }
}
