//! From settings to what a worker is made of.

use std::sync::Arc;

use taskwatch_core::engine::{Engine, Parts as EngineParts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::Relay;
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_daemon::systemd::Pulse;
use taskwatch_daemon::{Leaps, process_name};
use taskwatch_ec2::{AwsSettings, Departure, Watch};
use taskwatch_handlers::{SystemEntropy, TokioClock};
use taskwatch_settings::{DeadLetters, Settings};
use taskwatch_sqs_poll::{Options, Parts as SourceParts, Payloads, SqsSource};
use taskwatch_wiring::{Database, handler, payloads, policy, queues, relay};

use crate::cli::{Cli, Failed};
use crate::condition::Conditions;

/// A worker, ready to begin.
pub(crate) struct Parts {
    pub(crate) database: Arc<Database>,
    pub(crate) conditions: Arc<Conditions>,
    pub(crate) pulse: Arc<Pulse>,
    /// Works the queue.
    pub(crate) engine: Arc<Engine>,
    /// The same for what the API asks for.
    pub(crate) beside: Arc<Engine>,
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
        let policy = policy(settings);
        let worker = settings.worker.name.clone().unwrap_or_else(process_name);
        let engine = |clock: Arc<dyn Clock>| {
            Engine::new(EngineParts {
                store: database.clone(),
                handler: handler.clone(),
                clock,
                entropy: Arc::new(SystemEntropy),
                observer: conditions.clone(),
                origin: Origin::new(Source::Ec2, worker.clone()),
                policy,
            })
        };
        // Only who works the queue beats: what goes on beside it says nothing about that.
        let pulse = Arc::new(Pulse::of(Arc::new(Leaps::of(TokioClock))));
        let (engine, beside) = (Arc::new(engine(pulse.clone())?), Arc::new(engine(Arc::new(TokioClock))?));
        let clock = Arc::new(TokioClock);
        let relay = relay(settings, database.clone(), clock, conditions.clone()).await?.map(Arc::new);
        Ok(Self { database, conditions, pulse, engine, beside, relay })
    }
}

/// Which queue: its URL or ARN.
pub(crate) fn queue(settings: &Settings) -> Result<&str, Failed> {
    let missing = Failed::Missing("no queue is configured: set queue.name to its URL or ARN");
    settings.queue.name.as_deref().ok_or(missing)
}

/// The queue as an event source.
pub(crate) fn source(settings: &Settings, stop: &Stop) -> Result<SqsSource, Failed> {
    let queue = queue(settings)?.to_owned();
    let usual = Options::default();
    let options = Options {
        receivers: settings.queue.receivers,
        wait: settings.queue.wait,
        hidden: settings.queue.hidden,
        visibility: settings.queue.visibility,
        dead_letters: settings.queue.dead_letters == DeadLetters::Send,
        // What waits for its turn in a FIFO queue must leave room for what is worked.
        capacity: usual.capacity.max(settings.worker.concurrency.saturating_mul(2)),
        ..usual
    };
    let payloads = payloads(settings).map(|payloads| Arc::new(payloads) as Arc<dyn Payloads>);
    let calls = Arc::new(queues(settings));
    Ok(SqsSource::start(SourceParts { calls, queue, payloads, options, stop: stop.clone() })?)
}

/// What says that the instance is about to go.
pub(crate) fn watch(settings: &Settings, cli: &Cli) -> Watch {
    // Not by the pulse: it would beat for an engine that is stuck.
    let clock = Arc::new(TokioClock);
    if settings.worker.notices && !cli.check { Watch::start(clock) } else { Watch::off(clock) }
}

/// The instance's way out of its Auto Scaling group.
pub(crate) fn departure(settings: &Settings, watch: &Watch) -> Departure {
    let aws = AwsSettings::in_region(settings.aws.region.clone());
    Departure::new(watch, aws, settings.worker.lifecycle_hook.clone(), Arc::new(TokioClock))
}
