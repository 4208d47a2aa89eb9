//! From settings to an engine.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::Origin;
use taskwatch_core::policy::{Backoff, LONGEST_LEASE, Policy};
use taskwatch_core::ports::{Handler, Store};
use taskwatch_handlers::{Command, Http, Simulate, Simulation, Spawned, SystemEntropy, TokioClock};
use taskwatch_settings::{Settings, Work};

use crate::log::Logger;

/// Handlers that keep the time limit by themselves know best what came of the work; the engine's own limit lies behind.
const OWN_END: Duration = Duration::from_secs(5);

/// An engine that works tasks as the settings say.
pub(crate) fn engine(settings: &Settings, store: Arc<dyn Store>, origin: Origin) -> anyhow::Result<Engine> {
    let Some(work) = &settings.handler.work else {
        bail!("nothing is configured that could work a task: set TASKWATCH_HANDLER_KIND");
    };
    let handler = handler(work, settings.handler.time_limit).context("failed to prepare the handler")?;
    let (clock, entropy, observer) = (Arc::new(TokioClock), Arc::new(SystemEntropy), Arc::new(Logger));
    let policy = policy(settings, work);
    Ok(Engine::new(Parts { store, handler, clock, entropy, observer, origin, policy })?)
}

fn policy(settings: &Settings, work: &Work) -> Policy {
    let (worker, limit) = (&settings.worker, settings.handler.time_limit);
    let time_limit = match work {
        Work::Command(_) | Work::Http { .. } => (limit + OWN_END).min(LONGEST_LEASE),
        Work::Simulate(_) => limit,
    };
    Policy {
        concurrency: worker.concurrency,
        lease: worker.lease,
        time_limit,
        max_attempts: worker.max_attempts,
        backoff: Backoff { base: worker.backoff_base, cap: worker.backoff_cap },
        // The rest of the margin is for writing down what is given back.
        drain: worker.drain.min(settings.lambda.margin / 2),
        adopt_after: worker.adopt_after,
        ..Policy::default()
    }
}

fn handler(work: &Work, time_limit: Duration) -> anyhow::Result<Arc<dyn Handler>> {
    Ok(match work {
        Work::Simulate(simulate) => Arc::new(Simulate::new(Simulation {
            duration: simulate.duration,
            spread: 0.5,
            retry_fraction: simulate.failures,
            permanent_fraction: simulate.permanent,
            panic_fraction: simulate.panics,
            seed: simulate.seed,
        })?),
        Work::Command(argv) => Arc::new(Spawned::new(Command::new(argv.clone(), time_limit)?)),
        Work::Http { url, headers_file } => {
            let headers = headers_file.as_deref().map(headers).transpose()?.unwrap_or_default();
            Arc::new(Spawned::new(Http::new(url.as_str(), headers, time_limit)?))
        }
    })
}

/// One `Name: value` a line; empty lines do not count. The values may be secrets: no message repeats them.
fn headers(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read the headers in {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| match line.split_once(':') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(anyhow!("{}:{}: expected «Name: value»", path.display(), at + 1)),
        })
        .collect()
}
