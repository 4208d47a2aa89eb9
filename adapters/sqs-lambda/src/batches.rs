//! One invocation: a batch of messages, a deadline, an answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use futures_util::future::{Either, select};
use serde_json::Value;
use taskwatch_core::engine::Engine;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{Payloads, QueueCalls};
use tracing::{error, info};

use crate::aftermath::{Aftermath, Records, Term};
use crate::event::{EventError, Message, messages};
use crate::payloads;
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
#[derive(Clone)]
pub struct Batches {
    engine: Arc<Engine>,
    options: Options,
    payloads: Option<Arc<dyn Payloads>>,
    aftermath: Aftermath,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("engine", &self.engine)
            .field("options", &self.options)
            .field("fetches_payloads", &self.payloads.is_some())
            .finish_non_exhaustive()
    }
}

impl Batches {
    /// On this engine. Nothing is fetched and nothing asked of the queue beyond the response, unless told so below.
    ///
    /// # Errors
    /// [`InvalidMargin`] where the engine's drain takes up all of the margin.
    pub fn new(engine: Arc<Engine>, options: Options) -> Result<Self, InvalidMargin> {
        let (margin, drain) = (options.margin, engine.policy().drain);
        if margin <= drain {
            return Err(InvalidMargin { margin, drain });
        }
        Ok(Self { engine, options, payloads: None, aftermath: Aftermath::default() })
    }

    /// Follows pointers to payloads with these, in at most half of the time that there is for starting work. What has
    /// not come by then comes again.
    #[must_use]
    pub fn with_payloads(mut self, payloads: Arc<dyn Payloads>) -> Self {
        self.payloads = Some(payloads);
        self
    }

    /// Has messages come again when the engine says, instead of after the queue's visibility timeout.
    #[must_use]
    pub fn with_visibility(mut self, calls: Arc<dyn QueueCalls>) -> Self {
        self.aftermath.change_visibility(calls);
        self
    }

    /// Sends dead letters to the dead-letter queue with their reason and acknowledges them, instead of leaving them to
    /// the redrive policy.
    #[must_use]
    pub fn with_dead_letters(mut self, calls: Arc<dyn QueueCalls>) -> Self {
        self.aftermath.send_dead_letters(calls);
        self
    }

    /// Works the messages of an event and answers before the deadline. An event without messages has no failures.
    ///
    /// # Errors
    /// [`InvocationError`]: the invocation must fail.
    pub async fn work(&self, event: &Value, deadline: Timestamp) -> Result<SqsBatchResponse, InvocationError> {
        let clock = self.engine.clock();
        let begun = clock.now();
        let mut messages = messages(event)?;
        let all = deadline.since(begun);
        let margin = self.options.margin.min(all / 2);
        if let Some(payloads) = &self.payloads {
            payloads::fetch(&mut messages, &**payloads, clock, begun + (all - margin) / 2).await;
        }
        let objects: Vec<_> = messages.iter().map(Message::object).collect();
        let deliveries: Vec<_> = messages.into_iter().map(|message| message.delivery).collect();
        let ids: Vec<String> = deliveries.iter().map(|delivery| delivery.receipt.clone()).collect();
        let post = POST.min(margin / 2);
        let left = deadline.since(clock.now());
        let stop = self.stop_after(left.saturating_sub(margin));
        let working = std::pin::pin!(self.engine.process(deliveries, &stop));
        let mut answers = match select(working, clock.sleep(left.saturating_sub(post))).await {
            Either::Left((answers, _)) => answers,
            Either::Right(_) => {
                error!(
                    messages = ids.len(),
                    "the deadline came before the database had answered: all messages are returned, and those whose \
                     tasks are settled will be acknowledged when they come again"
                );
                Vec::new()
            }
        };
        if !self.aftermath.is_empty() {
            let records: Records<'_> = ids.iter().map(String::as_str).zip(objects).collect();
            let term = Term { clock, begun, until: deadline.minus(post) };
            self.aftermath.follow(&records, &mut answers, self.options.report, &term).await;
        }
        let verdict = Verdict::new(ids, &answers);
        let (all, failed) = verdict.counts();
        info!(messages = all, kept = failed, "batch done");
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
