//! From settings to what a worker is made of.

use std::sync::Arc;

use taskwatch_core::engine::{Engine, Parts as EngineParts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::Relay;
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_daemon::process_name;
use taskwatch_daemon::systemd::Pulse;
use taskwatch_handlers::{SystemEntropy, TokioClock};
use taskwatch_settings::{DeadLetters, Settings};
use taskwatch_sqs_poll::{Options, Parts as SourceParts, Payloads, SqsSource};
use taskwatch_wiring::{Database, handler, payloads, policy, queues, relay};

use crate::cli::Failed;
use crate::condition::Conditions;

/// A worker, ready to begin.
pub(crate) struct Parts {
    pub(crate) database: Arc<Database>,
    pub(crate) conditions: Arc<Conditions>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) relay: Option<Arc<Relay>>,
}

impl Parts {
    /// Nothing is opened or called yet.
    pub(crate) async fn of(settings: &Settings) -> Result<Self, Failed> {
        let Some(work) = &settings.handler.work else {
            return Err(Failed::Missing("nothing is configured that could work a task: set handler.kind"));
        };
        let handler = handler(work, settings.handler.time_limit)?;
        let database = Arc::new(Database::new(settings));
        let conditions = Arc::new(Conditions::default());
        let pulse = Arc::new(Pulse::of(Arc::new(TokioClock)));
        let clock: Arc<dyn Clock> = pulse.clone();
        let relay = relay(settings, database.clone(), clock.clone(), conditions.clone()).await?.map(Arc::new);
        let engine = Engine::new(EngineParts {
            store: database.clone(),
            handler,
            clock,
            entropy: Arc::new(SystemEntropy),
            observer: conditions.clone(),
            origin: Origin::new(Source::Ec2, settings.worker.name.clone().unwrap_or_else(process_name)),
            policy: policy(settings),
        })?;
        Ok(Self { database, conditions, pulse, engine: Arc::new(engine), relay })
    }
}

/// The queue as an event source.
pub(crate) fn source(settings: &Settings, stop: &Stop) -> Result<SqsSource, Failed> {
    let Some(queue) = settings.queue.name.clone() else {
        return Err(Failed::Missing("no queue is configured: set queue.name to its URL or ARN"));
    };
    let options = Options {
        receivers: settings.queue.receivers,
        wait: settings.queue.wait,
        hidden: settings.queue.hidden,
        visibility: settings.queue.visibility,
        dead_letters: settings.queue.dead_letters == DeadLetters::Send,
        ..Options::default()
    };
    let payloads = payloads(settings).map(|payloads| Arc::new(payloads) as Arc<dyn Payloads>);
    let calls = Arc::new(queues(settings));
    Ok(SqsSource::start(SourceParts { calls, queue, payloads, options, stop: stop.clone() })?)
}
