//! The role `process`: batches of an SQS event source mapping.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::Value;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::Origin;
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::time::Timestamp;
use taskwatch_handlers::{SystemEntropy, TokioClock};
#[cfg(feature = "aws")]
use taskwatch_settings::DeadLetters;
use taskwatch_settings::{BatchReport, Settings};
use taskwatch_sqs_lambda::{Batches, InvocationError, Options, Report, SqsBatchResponse};
use taskwatch_wiring::{Database, Logger, handler, policy};

use crate::init::failed;

/// A time in 1970, or a very long invocation.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Works batches, any number at once.
#[derive(Clone)]
pub(crate) struct Worker {
    batches: Batches,
}

impl Worker {
    pub(crate) fn new(settings: &Settings, database: Arc<Database>, origin: Origin) -> anyhow::Result<Self> {
        let Some(work) = &settings.handler.work else {
            bail!("nothing is configured that could work a task: set TASKWATCH_HANDLER_KIND");
        };
        let handler = handler(work, settings.handler.time_limit).map_err(failed)?;
        let (clock, entropy, observer) = (Arc::new(TokioClock), Arc::new(SystemEntropy), Arc::new(Logger));
        let policy = policy(settings);
        // The rest of the margin is for writing down what is given back.
        let policy = Policy { drain: policy.drain.min(settings.lambda.margin / 2), ..policy };
        let engine = Engine::new(Parts { store: database, handler, clock, entropy, observer, origin, policy })?;
        let report = match settings.lambda.report {
            BatchReport::Whole => Report::WholeBatch,
            BatchReport::Partial => Report::Partial,
        };
        let options = Options { report, margin: settings.lambda.margin };
        let batches = Batches::new(Arc::new(engine), options).context("failed to take lambda.margin")?;
        Ok(Self { batches: with_calls(batches, settings)? })
    }

    /// Answers one invocation.
    pub(crate) async fn invoke(&self, event: LambdaEvent<Value>) -> Result<SqsBatchResponse, Diagnostic> {
        let deadline = deadline(event.context.deadline, TokioClock.now());
        self.batches.work(&event.payload, deadline).await.map_err(|error| {
            // Lambda hands it to whoever invoked, but writes it nowhere.
            tracing::error!("failed to {error}");
            Diagnostic { error_type: kind(&error).to_owned(), error_message: format!("failed to {error}") }
        })
    }
}

/// When the invocation times out. Lambda says it in milliseconds since 1970; `cargo lambda watch` says how long it takes.
fn deadline(millis: u64, now: Timestamp) -> Timestamp {
    let given = Duration::from_millis(millis);
    if given < A_YEAR { now + given } else { Timestamp::EPOCH + given }
}

/// Lets it call AWS for what a response cannot say, as far as the settings want that.
#[cfg(feature = "aws")]
fn with_calls(mut batches: Batches, settings: &Settings) -> anyhow::Result<Batches> {
    let queues = Arc::new(taskwatch_wiring::queues(settings));
    if settings.queue.visibility {
        batches = batches.with_visibility(queues.clone());
    }
    if settings.queue.dead_letters == DeadLetters::Send {
        batches = batches.with_dead_letters(queues);
    }
    if let Some(payloads) = taskwatch_wiring::payloads(settings) {
        batches = batches.with_payloads(Arc::new(payloads));
    }
    Ok(batches)
}

/// Without calls, the queue's own timeout and redrive policy count.
#[cfg(not(feature = "aws"))]
fn with_calls(batches: Batches, settings: &Settings) -> anyhow::Result<Batches> {
    if !settings.queue.payload_buckets.is_empty() {
        bail!("failed to use queue.payload_buckets: this program was built without the feature aws");
    }
    Ok(batches)
}

const fn kind(error: &InvocationError) -> &'static str {
    match error {
        InvocationError::Event(_) => "Taskwatch.UnusableEvent",
        InvocationError::Failed { .. } => "Taskwatch.BatchFailed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_or_how_long_it_takes() {
        let now = Timestamp::from_micros(1_795_000_000_000_000);
        assert_eq!(deadline(1_795_000_030_000, now), now + Duration::from_secs(30));
        assert_eq!(deadline(600_000, now), now + Duration::from_secs(600), "as cargo lambda watch says it");
        assert_eq!(deadline(1_794_999_999_000, now), now.minus(Duration::from_secs(1)), "one that has passed stays so");
    }
}
