//! A handler of one's own in a worker of one's own: counts the words of the file that a task's description names.
//!
//! `cargo run -p taskwatch-handlers --example own_handler`
//!
//! The handler says what an attempt came to. Leases, retries, time limits, shutdown and the ledger are the engine's.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::due::DueSource;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{AttemptInfo, Failure, Filter, Handler, Notice, Observer, Records as _};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Task, TaskRow};
use taskwatch_handlers::{Spawned, SystemEntropy, TokioClock};
use taskwatch_sql_store::{ConnectOptions, SqlStore};

struct CountWords;

#[async_trait]
impl Handler for CountWords {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        // What cannot get better by itself is permanent: the task is then not tried again.
        let path = task.description.as_deref().ok_or_else(|| Failure::permanent("the description names no file"))?;
        // Blocks its thread, which `Spawned` allows. The file may turn up later: worth another attempt.
        let text = std::fs::read_to_string(path).map_err(|error| Failure::retry(format!("{path}: {error}")))?;
        println!(
            "  attempt {} of {}: {path} has {} words",
            attempt.number,
            attempt.max,
            text.split_whitespace().count()
        );
        Ok(())
    }
}

/// Tells of every change after it has been committed.
struct Tell;

impl Observer for Tell {
    fn notice(&self, notice: &Notice<'_>) {
        if let Notice::Transition(entry) = notice {
            println!("task {}: {}, now {}", entry.task, entry.event, entry.to);
        }
    }
}

/// Works three tasks, in an SQLite file of this folder, until none is left; answers with what became of them.
pub(crate) async fn work(folder: &Path) -> Result<Vec<TaskRow>, Box<dyn Error>> {
    let database = format!("sqlite:{}", folder.join("tasks.db").display());
    let store = Arc::new(SqlStore::open(&ConnectOptions::new(database)).await?);
    store.migrate().await?;
    let engine = Arc::new(Engine::new(Parts {
        store: store.clone(),
        handler: Arc::new(Spawned::new(CountWords)),
        clock: Arc::new(TokioClock),
        entropy: Arc::new(SystemEntropy),
        observer: Arc::new(Tell),
        origin: Origin::new(Source::Local, "own_handler"),
        policy: Policy {
            max_attempts: 3,
            backoff: Backoff { base: Duration::from_millis(20), cap: Duration::from_millis(100) },
            ..Policy::default()
        },
    })?);

    let (letter, missing) = (folder.join("letter.txt"), folder.join("missing.txt"));
    std::fs::write(&letter, "four words and more")?;
    let files = [Some(letter), Some(missing), None];
    let tasks = files.map(|file| NewTask {
        description: file.map(|file| file.display().to_string()),
        ..NewTask::titled("Count words")
    });
    engine.add(&tasks).await?;

    // A worker that runs for good leaves out `until_empty`, and stops at `Stop::when(...)` a signal has come.
    let stop = Stop::never();
    let source = DueSource::new(engine.clone(), Duration::from_millis(20), stop.clone()).until_empty(store.clone());
    engine.drive(&source, &stop).await;

    let rows = store.list(&Filter { limit: 10, ..Filter::default() }).await?;
    store.close().await;
    Ok(rows)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for row in work(folder.path()).await? {
        let why = row.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        println!("task {} is {}, attempts: {}{why}", row.id, row.status, row.attempt);
    }
    Ok(())
}
