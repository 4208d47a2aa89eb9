//! Claims tasks, runs their handlers, settles the results and says what to answer.
//!
//! The order is always: commit the decision, then answer the source. A crash between the two is a second delivery of a
//! settled task, which is harmless.

mod acts;
mod batch;
mod claim;
mod drive;
mod run;
mod settle;
mod sweep;
mod transact;

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::{Answered, Delivery};
use crate::draft::{Draft, Stamp};
use crate::ledger::{LedgerEntry, Origin};
use crate::metric::{Metric, MetricEvent, counts};
use crate::policy::{Backoff, Policy, PolicyError};
use crate::ports::{Clock, Entropy, Handler, Lease, Notice, Observer, Store};
use crate::stop::Stop;
use crate::task::{LeaseToken, Task, TaskRow};
use crate::time::Timestamp;

use crate::condition::Condition;
pub use acts::{Acted, Refusal};
use sweep::LeftAside;

/// Between attempts to reach a database or a source that does not answer.
const PAUSES: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(5) };

/// One claimed attempt: a lease on a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The task as its handler sees it.
    pub task: Task,
    /// 1 for the first.
    pub number: u32,
    /// How many there can be.
    pub max: u32,
    /// When the row was inserted.
    pub created: Timestamp,
    /// Of this acquisition.
    pub token: LeaseToken,
    /// When it was claimed; once its handler is called, since when.
    pub started: Timestamp,
    /// How far the lease has been paid for.
    pub lease_until: Timestamp,
    /// The trace id of the delivery.
    pub trace: Option<String>,
}

impl Attempt {
    const fn lease(&self) -> Lease {
        Lease { task: self.task.id, token: self.token }
    }
}

/// What an [`Engine`] is made of.
pub struct Parts {
    /// Where rows and ledger are.
    pub store: Arc<dyn Store>,
    /// What does the work.
    pub handler: Arc<dyn Handler>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tokens and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Who this is, for the ledger.
    pub origin: Origin,
    /// The numbers.
    pub policy: Policy,
}

/// The same in the Lambda function, in the worker and in a replay: they differ in where deliveries come from.
pub struct Engine {
    parts: Parts,
    database: Condition,
    renewals: Condition,
    left_aside: LeftAside,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("origin", &self.parts.origin)
            .field("policy", &self.parts.policy)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`PolicyError`] where the numbers cannot work.
    pub fn new(parts: Parts) -> Result<Self, PolicyError> {
        parts.policy.check()?;
        Ok(Self {
            parts,
            database: Condition::good("the database answers again"),
            renewals: Condition::good("leases can be renewed again"),
            left_aside: LeftAside::default(),
        })
    }

    /// The numbers it works by.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.parts.policy
    }

    /// The clock it works by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// Random numbers from the engine's own source.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.parts.entropy
    }

    /// Works a batch of announced deliveries to the end and answers each of them, those of one group in order.
    ///
    /// The batch is claimed at once, as far as groups allow, so that its size costs no round trips; [`Policy::concurrency`]
    /// attempts run at a time, and the leases of the others are kept meanwhile. Once `stop` is set nothing new is started;
    /// what still runs after [`Policy::drain`] is given back.
    pub async fn process(&self, deliveries: Vec<Delivery>, stop: &Stop) -> Vec<Answered> {
        let hold = deliveries.len();
        let batch = batch::Batch::new(deliveries);
        self.drive_holding(&batch, hold, stop).await;
        batch.into_answers()
    }

    fn stamp<'a>(&'a self, now: Timestamp, trace: Option<&'a str>) -> Stamp<'a> {
        Stamp { origin: &self.parts.origin, now, trace }
    }

    /// Begins a change of a row, or says which unknown status stands in the way.
    fn meet<'a>(&'a self, row: &'a TaskRow, now: Timestamp, trace: Option<&'a str>) -> Result<Draft<'a>, &'a str> {
        Draft::meet(row, self.stamp(now, trace), self.parts.policy.adopt_after)
    }

    fn max_attempts(&self, row: &TaskRow) -> u32 {
        row.max_attempts.unwrap_or(self.parts.policy.max_attempts)
    }

    /// Tells of entries that have just been committed, and of the counts they feed.
    fn tell(&self, entries: &[LedgerEntry]) {
        for entry in entries {
            self.parts.observer.notice(&Notice::Transition(entry));
            for metric in counts(entry) {
                self.metric(MetricEvent::one(metric, entry.origin.source, entry.at));
            }
        }
    }

    fn count(&self, metric: Metric, at: Timestamp) {
        self.metric(MetricEvent::one(metric, self.parts.origin.source, at));
    }

    fn took(&self, metric: Metric, from: Timestamp, to: Timestamp) {
        self.metric(MetricEvent::took(metric, to.since(from), self.parts.origin.source, to));
    }

    fn metric(&self, event: MetricEvent) {
        self.parts.observer.notice(&Notice::Metric(event));
    }
}
