//! The worker that is killed in mid-task: this very program, in a process of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use taskwatch_core::ports::Records as _;
use taskwatch_core::task::{Status, TaskId};
use tokio::process::{Child, Command};

use super::stage::{LEASE, Stage};
use crate::exit::Failed;

/// Its name in the ledger.
pub(super) const NAME: &str = "demo-victim";

/// How long it may take to start and to claim its tasks.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the worker, waits until it holds all these tasks, and kills it. Answers with its process number.
pub(super) async fn run_and_kill(stage: &Stage, tasks: &[TaskId]) -> Result<u32, Failed> {
    let mut child = start(stage)?;
    let pid = child.id().unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    while !holds(stage, tasks).await? {
        if let Some(status) = child.try_wait()? {
            return Err(anyhow!("the second worker ended before its time: {status}").into());
        }
        if Instant::now() > deadline {
            return Err(anyhow!("the second worker did not claim its tasks within {PATIENCE:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // In mid-task, not at its very beginning.
    tokio::time::sleep(Duration::from_millis(200)).await;
    child.kill().await.context("failed to kill the second worker")?;
    Ok(pid)
}

fn start(stage: &Stage) -> Result<Child, Failed> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut command = Command::new(program);
    let lease = humantime::format_duration(LEASE);
    // Nothing from outside: neither the variables nor a taskwatch.toml of whoever runs the demo.
    command.env_clear().current_dir(stage.folder.path());
    command.arg("--database").arg(format!("sqlite://{}", stage.database.display()));
    for setting in [
        format!("worker.name={NAME}"),
        "worker.poll=50ms".into(),
        "handler.simulate_duration=10m".into(),
        "log.level=off".into(),
    ] {
        command.args(["--set", &setting]);
    }
    command.args(["run", "--simulate", "--lease", &lease.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn().context("failed to start a second worker")?)
}

async fn holds(stage: &Stage, tasks: &[TaskId]) -> Result<bool, Failed> {
    for task in tasks {
        let record = stage.store.record(*task).await?;
        let status = record.and_then(|record| record.row).and_then(|row| row.status.known());
        if status != Some(Status::InProgress) {
            return Ok(false);
        }
    }
    Ok(true)
}
