//! The database of the demo, its engines, and how well the work goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_handlers::{Simulate, Simulation, SystemEntropy, TokioClock};
use taskwatch_sql_store::{ConnectOptions, SqlStore};
use tempfile::TempDir;

use super::watch::Watch;
use crate::database;
use crate::exit::Failed;

/// How often the table is asked for due tasks.
pub(super) const POLL: Duration = Duration::from_millis(50);
/// How long a claim lasts without renewal.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// Where the story takes place.
pub(super) struct Stage {
    pub(super) store: Arc<SqlStore>,
    pub(super) watch: Arc<Watch>,
    pub(super) database: PathBuf,
    /// Removed at the end, with all that is in it.
    pub(super) folder: TempDir,
}

/// Much goes wrong. The seed is one with which each kind of failure meets one of the first hundred tasks.
pub(super) fn rough() -> Simulation {
    Simulation {
        duration: Duration::from_millis(150),
        spread: 0.6,
        retry_fraction: 0.15,
        permanent_fraction: 0.04,
        panic_fraction: 0.02,
        seed: 7,
    }
}

/// Little goes wrong.
pub(super) fn smooth() -> Simulation {
    Simulation { retry_fraction: 0.1, permanent_fraction: 0.0, panic_fraction: 0.0, seed: 8, ..rough() }
}

impl Stage {
    /// Makes an empty database.
    pub(super) async fn set(keep: Option<&Path>) -> Result<Self, Failed> {
        let folder = tempfile::Builder::new().prefix("taskwatch-demo-").tempdir()?;
        let database = match keep {
            Some(path) => std::path::absolute(path)?,
            None => folder.path().join("demo.db"),
        };
        if database.exists() {
            return Err(Failed::Usage(format!(
                "{} is there already: the demo makes a new file, name another with --keep",
                database.display()
            )));
        }
        let store = database::open_with(&ConnectOptions::new(format!("sqlite:{}", database.display()))).await?;
        store.migrate().await?;
        Ok(Self { store: Arc::new(store), watch: Arc::new(Watch::new()), database, folder })
    }

    /// An engine with this luck.
    pub(super) fn engine(&self, simulation: Simulation, source: Source) -> Result<Arc<Engine>, Failed> {
        let handler = Simulate::new(simulation).context("failed to prepare the simulated work")?;
        let policy = Policy {
            concurrency: 16,
            lease: LEASE,
            time_limit: Duration::from_secs(10),
            max_attempts: 3,
            backoff: Backoff { base: Duration::from_millis(300), cap: Duration::from_secs(1) },
            ..Policy::default()
        };
        Ok(Arc::new(Engine::new(Parts {
            store: self.store.clone(),
            handler: Arc::new(handler),
            clock: Arc::new(TokioClock),
            entropy: Arc::new(SystemEntropy),
            observer: self.watch.clone(),
            origin: Origin::new(source, taskwatch_daemon::process_name()),
            policy,
        })?))
    }

    /// Leaves one file, or nothing.
    pub(super) async fn close(&self) {
        self.store.close().await;
    }
}
