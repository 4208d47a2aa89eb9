//! What everyone in a simulation shares.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{AbortHandle, abortable, pending};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{Clock as _, Handler, Records, Store};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{Status, TaskRow};
use taskwatch_core::time::Timestamp;

use super::queue::Queue;
use super::unreliable::{Unanswered, Unreliable};
use super::work::Run;
use super::{Feed, Scenario, Trouble};
use crate::{CountingObserver, MemoryStore, SeededEntropy, VirtualClock};

const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// Short times, so that a run of a few minutes sees many leases.
pub(super) const POLICY: Policy = Policy {
    concurrency: 4,
    lease: Duration::from_secs(12),
    time_limit: Duration::from_secs(40),
    max_attempts: 4,
    backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(20) },
    drain: Duration::from_secs(3),
    linger: Duration::from_millis(5),
    adopt_after: Duration::from_secs(30),
    missing_row_retries: 3,
    retry_delay: Duration::from_secs(2),
};

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) clock: VirtualClock,
    /// The table itself, as the other program sees it.
    pub(super) rows: MemoryStore,
    store: Arc<dyn Store>,
    pub(super) records: Arc<dyn Records>,
    pub(super) queue: Option<Queue>,
    pub(super) told: Arc<CountingObserver>,
    pub(super) unanswered: Arc<Unanswered>,
    pub(super) runs: Arc<Mutex<Vec<Run>>>,
    /// The database is away at these times.
    outages: Vec<(Timestamp, Timestamp)>,
    pub(super) stop: Stop,
    stopping: AbortHandle,
    pub(super) crashes: AtomicUsize,
    pub(super) freezes: AtomicUsize,
    pub(super) added: AtomicBool,
    pub(super) at_rest: AtomicBool,
}

impl World {
    pub(super) fn new<S: Store + Records + 'static>(
        scenario: &Scenario,
        rng: &mut Rng,
        wrap: impl FnOnce(MemoryStore) -> S,
    ) -> Self {
        let clock = VirtualClock::new(START);
        let rows = MemoryStore::with_clock(Arc::new(clock.clone()));
        let wrapped = Arc::new(wrap(rows.clone()));
        let (never, stopping) = abortable(pending::<()>());
        let outages = (0..2).filter_map(|_| {
            let from = START + scenario.span.mul_f64(rng.f64());
            let to = from + POLICY.lease.mul_f64(2.0 * rng.f64());
            (rng.f64() < scenario.trouble.outages).then_some((from, to))
        });
        Self {
            scenario: scenario.clone(),
            outages: outages.collect(),
            queue: (scenario.feed != Feed::Table).then(|| Queue::new(&clock, scenario, rng.fork())),
            clock,
            rows,
            store: Arc::<S>::clone(&wrapped),
            records: wrapped,
            told: Arc::default(),
            unanswered: Arc::default(),
            runs: Arc::default(),
            stop: Stop::when(async move {
                // It only ever ends by being aborted.
                let _aborted = never.await;
            }),
            stopping,
            crashes: AtomicUsize::new(0),
            freezes: AtomicUsize::new(0),
            added: AtomicBool::new(false),
            at_rest: AtomicBool::new(false),
        }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.now().since(START)
    }

    /// Whether things still go wrong, and with which chances.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        (self.elapsed() < self.scenario.span).then_some(&self.scenario.trouble)
    }

    /// Waits for a random part of this time.
    pub(super) async fn wait(&self, rng: &mut Rng, most: Duration) {
        let part = rng.f64();
        self.clock.sleep(most.mul_f64(part)).await;
    }

    pub(super) fn end(&self) {
        self.stopping.abort();
    }

    /// An engine of its own, with a connection of its own.
    pub(super) fn engine(&self, source: Source, name: String, handler: Arc<dyn Handler>, rng: &mut Rng) -> Arc<Engine> {
        let parts = Parts {
            store: Arc::new(Unreliable {
                inner: Arc::clone(&self.store),
                clock: self.clock.clone(),
                until: START + self.scenario.span,
                trouble: self.scenario.trouble,
                outages: self.outages.clone(),
                unanswered: Arc::clone(&self.unanswered),
                rng: Mutex::new(rng.fork()),
            }),
            handler,
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(rng.u64(..))),
            observer: Arc::<CountingObserver>::clone(&self.told),
            origin: Origin::new(source, name),
            policy: POLICY,
        };
        Arc::new(Engine::new(parts).expect("the policy is a good one"))
    }

    /// Whether nothing is left to do on any task.
    pub(super) fn nothing_is_left(&self) -> bool {
        self.added.load(Ordering::Relaxed)
            && self.rows.snapshot().iter().filter_map(|record| record.row.as_ref()).all(rests)
    }
}

/// Whether nobody has to do anything about this row any more.
pub(super) fn rests(row: &TaskRow) -> bool {
    // What was finished stays finished, whatever another program writes over it.
    let settled = row.recorded.filter(|status| status.is_absorbing());
    let status = settled.or_else(|| row.status.known());
    matches!(status, Some(Status::Completed | Status::Cancelled | Status::Failed))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
