//! One invocation: a batch of messages, a deadline, an answer.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use futures_util::future::{Either, select};
use serde_json::Value;
use taskwatch_core::engine::Engine;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use tracing::error;

use crate::event::{EventError, deliveries};
use crate::verdict::Verdict;

/// The answer is posted this long before the deadline, whatever is still under way.
const POST: Duration = Duration::from_millis(200);

/// How a batch of which something failed is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Report {
    /// By the failures alone. **Only** with `FunctionResponseTypes: [ReportBatchItemFailures]` on the event source
    /// mapping: without it, SQS takes the response for success and deletes what it names.
    Partial,
    /// By failing the invocation: every message comes again, and those that were done are acknowledged then. Safe
    /// whatever the mapping says.
    #[default]
    WholeBatch,
}

/// How batches are worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How failures are reported.
    pub report: Report,
    /// Nothing is started later than this before the deadline. The first part of it, [`Policy::drain`], is for running
    /// attempts to end by themselves; the rest is for writing down what was given back, and for the answer.
    /// An invocation with little time keeps half of that for it.
    ///
    /// [`Policy::drain`]: taskwatch_core::policy::Policy::drain
    pub margin: Duration,
}

/// A margin into which the engine's drain does not fit: phrased to follow «failed to».
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "use a margin of {margin:?} before the deadline: running attempts get {drain:?} of it (drain), and nothing is left \
     to write down what becomes of them"
)]
pub struct InvalidMargin {
    /// As given.
    pub margin: Duration,
    /// The engine's.
    pub drain: Duration,
}

/// Why an invocation has to fail, so that SQS keeps all of its messages: phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// It was not started: the event is none that could be answered.
    #[error(transparent)]
    Event(#[from] EventError),
    /// With [`Report::WholeBatch`].
    #[error("finish {failed} of {all} messages, so all of them come again; the first: {first}")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// The first reason.
        first: String,
    },
}

/// Works batches. Any number of invocations may run at once.
#[derive(Debug, Clone)]
pub struct Batches {
    engine: Arc<Engine>,
    options: Options,
}

impl Batches {
    /// On this engine.
    ///
    /// # Errors
    /// [`InvalidMargin`] where the engine's drain takes up all of the margin.
    pub fn new(engine: Arc<Engine>, options: Options) -> Result<Self, InvalidMargin> {
        let (margin, drain) = (options.margin, engine.policy().drain);
        if margin <= drain { Err(InvalidMargin { margin, drain }) } else { Ok(Self { engine, options }) }
    }

    /// Works the messages of an event and answers before the deadline. An event without messages has no failures.
    ///
    /// # Errors
    /// [`InvocationError`]: the invocation must fail.
    pub async fn work(&self, event: &Value, deadline: Timestamp) -> Result<SqsBatchResponse, InvocationError> {
        let deliveries = deliveries(event)?;
        let ids: Vec<String> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        let clock = self.engine.clock();
        let left = deadline.since(clock.now());
        let margin = self.options.margin.min(left / 2);
        let stop = self.stop_after(left - margin);
        let working = std::pin::pin!(self.engine.process(deliveries, &stop));
        let verdict = match select(working, clock.sleep(left - POST.min(margin / 2))).await {
            Either::Left((answers, _)) => Verdict::new(ids, &answers),
            Either::Right(_) => {
                error!(
                    messages = ids.len(),
                    "the deadline came before the database had answered: all messages are returned, and those whose \
                     tasks are settled will be acknowledged when they come again"
                );
                Verdict::new(ids, &[])
            }
        };
        let (all, failed) = verdict.counts();
        if failed > 0 && self.options.report == Report::WholeBatch {
            return Err(InvocationError::Failed { failed, all, first: verdict.reason().to_owned() });
        }
        Ok(verdict.response())
    }

    fn stop_after(&self, after: Duration) -> Stop {
        let engine = Arc::clone(&self.engine);
        Stop::when(async move { engine.clock().sleep(after).await })
    }
}
