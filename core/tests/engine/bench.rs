//! An engine with everything around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
use taskwatch_core::metric::Metric;
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{Clock, EventSource, Inserted, Record};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy, VirtualClock};

use crate::flaky::Flaky;
use crate::handler::{Act, Scripted};

pub(crate) const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// No entry feeds these.
const NOT_IN_THE_LEDGER: [Metric; 7] = [
    Metric::DuplicateDeliveries,
    Metric::StaleLeases,
    Metric::MessagesRejected,
    Metric::HandlerPanics,
    Metric::TaskDuration,
    Metric::TaskWait,
    Metric::TaskLatency,
];

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) struct Bench {
    pub(crate) clock: VirtualClock,
    pub(crate) rows: MemoryStore,
    pub(crate) store: Arc<Flaky>,
    pub(crate) told: Arc<CountingObserver>,
    pub(crate) handler: Arc<Scripted>,
    pub(crate) policy: Policy,
    engines: AtomicU64,
}

impl Bench {
    /// With a handler that acts by this script.
    pub(crate) fn new(script: impl Fn(TaskId, u32) -> Act + Send + Sync + 'static) -> Self {
        let clock = VirtualClock::new(START);
        let rows = MemoryStore::with_clock(Arc::new(clock.clone()));
        Self {
            store: Arc::new(Flaky::new(rows.clone(), clock.clone())),
            told: Arc::new(CountingObserver::new()),
            handler: Arc::new(Scripted::new(clock.clone(), script)),
            policy: Policy { backoff: Backoff { base: secs(8), cap: secs(100) }, ..Policy::default() },
            clock,
            rows,
            engines: AtomicU64::new(0),
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    /// A worker with chance of its own, so that no two draw the same tokens.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.worker("one", 1_000 + self.engines.fetch_add(1, Ordering::Relaxed))
    }

    /// Another worker on the same table.
    pub(crate) fn worker(&self, name: &str, seed: u64) -> Arc<Engine> {
        let parts = Parts {
            store: Arc::<Flaky>::clone(&self.store),
            handler: Arc::<Scripted>::clone(&self.handler),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(seed)),
            observer: Arc::<CountingObserver>::clone(&self.told),
            origin: Origin::new(Source::Local, name),
            policy: self.policy,
        };
        Arc::new(Engine::new(parts).expect("the policy works"))
    }

    pub(crate) fn add(&self, tasks: &[NewTask]) -> Vec<TaskId> {
        let added = self.clock.run(self.engine().add(tasks)).expect("the store takes tasks");
        added.iter().map(Inserted::task).collect()
    }

    pub(crate) fn add_one(&self) -> TaskId {
        self.add(&[NewTask::titled("a task")])[0]
    }

    pub(crate) fn add_many(&self, count: usize) -> Vec<TaskId> {
        self.add(&vec![NewTask::titled("a task"); count])
    }

    /// Delivers each of these once, works them to the end, and answers in the order of the tasks.
    pub(crate) fn process(&self, tasks: &[TaskId]) -> Vec<(Answer, Why)> {
        let deliveries = tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect();
        let mut answers = self.deliver(deliveries);
        answers.sort_by_key(|answered| tasks.iter().position(|task| Some(*task) == answered.delivery.task()));
        answers.into_iter().map(|answered| (answered.answer, answered.why)).collect()
    }

    pub(crate) fn process_one(&self, task: TaskId) -> (Answer, Why) {
        let mut answers = self.process(&[task]);
        assert_eq!(answers.len(), 1, "one answer for one delivery");
        answers.remove(0)
    }

    pub(crate) fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Answered> {
        self.clock.run(self.engine().process(deliveries, &Stop::never()))
    }

    pub(crate) fn drive(&self, source: &dyn EventSource, stop: &Stop) {
        self.clock.run(self.engine().drive(source, stop));
    }

    /// Is set after this long.
    pub(crate) fn stop_after(&self, after: Duration) -> Stop {
        let clock = self.clock.clone();
        Stop::when(async move { clock.sleep(after).await })
    }

    /// How long the bench has been there.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.now().since(START)
    }

    pub(crate) fn record(&self, task: TaskId) -> Record {
        self.rows.snapshot().into_iter().find(|record| record.task == task).expect("there is such a task")
    }

    pub(crate) fn row(&self, task: TaskId) -> TaskRow {
        self.record(task).row.expect("the task has a row")
    }

    pub(crate) fn status(&self, task: TaskId) -> Option<Status> {
        self.row(task).status.known()
    }

    pub(crate) fn events(&self, task: TaskId) -> Vec<EventKind> {
        self.record(task).entries.iter().map(|entry| entry.event).collect()
    }

    pub(crate) fn last_entry(&self, task: TaskId) -> LedgerEntry {
        self.record(task).entries.pop().expect("the task has entries")
    }

    /// How often this was told.
    pub(crate) fn count(&self, metric: Metric) -> usize {
        self.told.count(metric)
    }

    /// Insists that the books balance, and that every change was told once, as an entry and as its counts.
    pub(crate) fn audit(&self) {
        let records = self.rows.snapshot();
        let mut audit = Audit::new();
        records.iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?}", books.offences);
        let mut told = self.told.entries();
        told.sort_by_key(|entry| (entry.task, entry.seq));
        let written: Vec<LedgerEntry> = records.into_iter().flat_map(|record| record.entries).collect();
        assert_eq!(told, written, "what was told is what was written");
        let mut counts: BTreeMap<Metric, usize> = self.told.counts();
        counts.retain(|metric, _| !NOT_IN_THE_LEDGER.contains(metric));
        assert_eq!(counts, self.told.entry_counts(), "the counts told are those of the entries");
    }
}
