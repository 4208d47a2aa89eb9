//! `taskwatch demo`: everything that can happen to a task, in half a minute.

mod books;
mod stage;
mod victim;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::due::DueSource;
use taskwatch_core::engine::Engine;
use taskwatch_core::ledger::Source;
use taskwatch_core::ports::{Filter, Records as _};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Status, TaskId};
use taskwatch_core::time::Timestamp;

use self::stage::{POLL, Stage};
use self::watch::Watch;
use crate::exit::{Exit, Failed};
use crate::out::{self, STRONG, styled};
use crate::work;
use taskwatch_daemon::signals::Signals;

/// Tasks that the worker which gets killed works on.
const LONG: usize = 3;
/// Tasks that are called off before they are due.
const CALLED_OFF: usize = 5;
/// Deliveries that come once more.
const DUPLICATES: usize = 25;

#[derive(Debug, Args)]
#[command(after_help = "\
Ends with exit code 0 only if the books balance and everything that was promised has happened.

Examples:
  taskwatch demo
  taskwatch demo --keep demo.db && taskwatch --database sqlite://demo.db list --status failed")]
pub(crate) struct Demo {
    /// Keep the database here, to look into afterwards; the file must not be there yet
    #[arg(long, value_name = "PATH")]
    keep: Option<PathBuf>,
    /// How many tasks
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(100..=2000))]
    tasks: u32,
}

/// What was seen on the way, for the list of promises.
#[derive(Debug, Default)]
struct Seen {
    killed: bool,
    duplicates_sent: usize,
    duplicates_settled: usize,
    replayed: Vec<TaskId>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<Exit, Failed> {
        let mut signals = Signals::listen()?;
        let stage = Stage::set(self.keep.as_deref()).await?;
        // Nobody needs the rest of the work: an interruption drops it where it stands, and the second worker with it.
        let seen = tokio::select! {
            seen = self.play(&stage) => seen.map(Some),
            () = signals.next() => Ok(None),
        };
        let exit = match seen {
            Ok(Some(seen)) => stage.conclude(&seen).await,
            Ok(None) => {
                out::complain("interrupted");
                Ok(Exit::Interrupted)
            }
            Err(failed) => Err(failed),
        };
        stage.close().await;
        if let (Some(path), true) = (&self.keep, exit.is_ok()) {
            let path = path.display();
            out::line(format_args!(
                "the database is kept: taskwatch --database sqlite://{path} list (or show, or verify)"
            ))?;
        }
        exit
    }

    /// The story.
    async fn play(&self, stage: &Stage) -> Result<Seen, Failed> {
        let mut seen = Seen::default();
        let watch = Arc::clone(&stage.watch);
        let first = stage.engine(stage::rough(), Source::Local)?;

        step("a worker is killed in mid-task")?;
        let long = add(&first, LONG, None, |n| format!("long job {n}")).await?;
        let pid = victim::run_and_kill(stage, &long).await?;
        seen.killed = true;
        out::line(format_args!("  worker {pid} held {LONG} leases when SIGKILL came; they run out within 2 s"))?;

        step("tasks are added, and some called off")?;
        let count = usize::try_from(self.tasks).unwrap_or(usize::MAX);
        add(&first, count, None, |n| format!("job {n}")).await?;
        let tomorrow = first.clock().now() + Duration::from_secs(86_400);
        let later = add(&first, CALLED_OFF, Some(tomorrow), |n| format!("job {n} of tomorrow")).await?;
        first.cancel(&later, "demo: not needed after all").await?;
        out::line(format_args!("  {count} added; {CALLED_OFF} more, called off before they were due"))?;

        step("the tasks are worked: some fail, some panic, the killed worker's leases are taken over")?;
        work_off(&first, stage, &watch, count + LONG).await?;

        step("deliveries of finished tasks come once more")?;
        let filter = Filter { statuses: vec![Status::Completed], limit: DUPLICATES, ..Filter::default() };
        let finished = stage.store.list(&filter).await?;
        let again = finished.iter().map(|row| Delivery::of(row.id, format!("again-{}", row.id))).collect::<Vec<_>>();
        seen.duplicates_sent = again.len();
        let answers = first.process(again, &Stop::never()).await;
        let settled = answers.iter().filter(|answered| {
            answered.answer == Answer::Acknowledge && answered.why == Why::Settled(Status::Completed)
        });
        seen.duplicates_settled = settled.count();
        out::line(format_args!("  {} acknowledged, and nothing ran", seen.duplicates_settled))?;

        step("the dead are put back and worked again")?;
        let filter = Filter { statuses: vec![Status::Failed], limit: usize::MAX >> 1, ..Filter::default() };
        let dead: Vec<TaskId> = stage.store.list(&filter).await?.iter().map(|row| row.id).collect();
        let second = stage.engine(stage::smooth(), Source::Replay)?;
        let reason = format!("by {}: demo, the cause has been mended", work::user_name());
        let acts = second.replay(&dead, &reason).await?;
        seen.replayed = acts.into_iter().filter(|act| act.refused.is_none()).map(|act| act.task).collect();
        work_off(&second, stage, &watch, seen.replayed.len()).await?;
        Ok(seen)
    }
}

/// A heading of the story.
fn step(what: &str) -> Result<(), Failed> {
    Ok(out::line(styled(STRONG, what))?)
}

async fn add(
    engine: &Engine,
    count: usize,
    not_before: Option<Timestamp>,
    title: impl Fn(usize) -> String,
) -> Result<Vec<TaskId>, Failed> {
    let tasks: Vec<_> = (1..=count).map(|n| NewTask { not_before, ..NewTask::titled(title(n)) }).collect();
    let mut ids = Vec::with_capacity(count);
    for batch in tasks.chunks(100) {
        ids.extend(engine.add(batch).await?.iter().map(|inserted| inserted.task()));
    }
    Ok(ids)
}

/// Works until nothing is left, and shows how far it is.
async fn work_off(engine: &Arc<Engine>, stage: &Stage, watch: &Arc<Watch>, expected: usize) -> Result<(), Failed> {
    let records: Arc<dyn taskwatch_core::ports::Records> = stage.store.clone();
    let stop = Stop::never();
    let source = DueSource::new(Arc::clone(engine), POLL, stop.clone()).until_empty(records);
    watch.show(expected, engine.drive(&source, &stop)).await;
    Ok(())
}
