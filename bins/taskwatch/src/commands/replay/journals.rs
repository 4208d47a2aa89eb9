//! Journals: what is in them, and putting it back.

use std::path::PathBuf;

use anyhow::Context as _;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::journal::{Journal, Outcome, Source, Status};
use taskwatch_settings::Settings;

use crate::exit::{Exit, Failed};
use crate::letters::{self, SourceArgs};
use crate::out::{self, BAD, DIM, STRONG, styled};
use crate::progress::Bar;
use crate::work;

/// What the name of a journal ends with.
const EXTENSION: &str = "journal";

/// How long sending some letters may take: those of one FIFO group go one by one.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Shows journals.
pub(super) async fn status(args: &SourceArgs, settings: &Settings, json: bool) -> Result<Exit, Failed> {
    let paths = match (&args.journal, &args.source) {
        (Some(path), _) => vec![path.clone()],
        (None, Some(_)) => vec![args.find(settings).await?.path],
        (None, None) => all(settings)?,
    };
    let (mut shown, mut exit) = (Vec::new(), Exit::Done);
    for path in paths.into_iter().filter(|path| path.exists()) {
        match Journal::status(&path).await {
            Ok(status) => shown.push(status),
            Err(error) => {
                out::complain(&format!("failed to {error}"));
                exit = Exit::Other;
            }
        }
    }
    if json {
        out::json(&shown.iter().map(as_json).collect())?;
        return Ok(exit);
    }
    if shown.is_empty() {
        out::remark("there are no journals: nothing has been taken off a queue or out of a file");
    }
    for status in &shown {
        print(status)?;
    }
    Ok(exit)
}

fn all(settings: &Settings) -> Result<Vec<PathBuf>, Failed> {
    let folder = letters::folder(settings)?;
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", folder.display()))?,
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    Ok(paths)
}

fn print(status: &Status) -> Result<(), Failed> {
    let counts = &status.counts;
    out::line(styled(STRONG, &status.source))?;
    let field = |name: &str, value: String| out::line(format_args!("  {name:<11}{value}"));
    field("journal", status.path.display().to_string())?;
    let open = counts.unfinished();
    let of = format!("{open} of {} letters", counts.entries());
    field("unfinished", if open > 0 { styled(BAD, of) } else { of })?;
    let settled = |outcome| counts.settled.get(&outcome).copied().unwrap_or_default();
    let parts = [
        ("waiting", counts.kept),
        ("begun", counts.in_work),
        ("being sent", counts.sending),
        ("perhaps still on the queue", counts.captured),
        ("completed", settled(Outcome::Completed)),
        ("sent", counts.sent),
        ("failed again", settled(Outcome::Failed)),
        ("dropped", settled(Outcome::Dropped)),
        ("purged", settled(Outcome::Purged)),
    ];
    let parts: Vec<_> = parts.iter().filter(|(_, count)| *count > 0).map(|(what, n)| format!("{n} {what}")).collect();
    field("letters", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") })?;
    if let Some(holder) = &status.holder {
        field("now", format!("{holder} is at work with it"))?;
    } else if status.is_capturing {
        field("now", "a capture was interrupted: the same command goes on".to_owned())?;
    }
    for run in &status.runs {
        let reason = run.reason.as_deref().map(|reason| format!(": {}", out::tame(reason))).unwrap_or_default();
        out::line(styled(
            DIM,
            format_args!("  run {:<7}{} by {}{reason}", run.number, out::time(run.begun_at), out::tame(&run.who)),
        ))?;
    }
    Ok(())
}

fn as_json(status: &Status) -> serde_json::Value {
    let counts = &status.counts;
    let settled: serde_json::Map<_, _> =
        counts.settled.iter().map(|(outcome, count)| (outcome.words().to_owned(), (*count).into())).collect();
    let runs: Vec<_> = status
        .runs
        .iter()
        .map(|run| serde_json::json!({ "run": run.number, "who": run.who, "reason": run.reason, "pid": run.pid, "at": run.begun_at }))
        .collect();
    serde_json::json!({
        "source": status.source.to_string(), "journal": status.path, "id": status.id, "created_at": status.created_at,
        "held_by": status.holder.as_ref().map(ToString::to_string), "is_capturing": status.is_capturing,
        "captured": counts.captured, "kept": counts.kept, "in_work": counts.in_work, "sending": counts.sending,
        "settled": settled, "sent": counts.sent, "again": counts.again, "runs": runs,
    })
}

/// Puts what is left back on the queue.
pub(super) async fn abandon(
    args: &SourceArgs,
    settings: &Settings,
    by: Option<&str>,
    reason: Option<&str>,
) -> Result<Exit, Failed> {
    let stop = work::stop()?;
    let found = args.find(settings).await?;
    let (Source::Queue(queue), Some(queues)) = (&found.source, &found.queues) else {
        return Err(Failed::Usage(
            "nothing has left the file: there is nothing to put back, remove the journal".into(),
        ));
    };
    if !found.path.exists() {
        out::remark(format_args!("nothing has been taken off {queue}"));
        return Ok(Exit::Done);
    }
    let journal = found.open(&letters::by(by, reason)).await?;
    if journal.counts().await?.captured > 0 {
        // What is perhaps still there must not be there twice.
        found.drain(queues, &journal, Some(0), &stop).await?;
    }
    let bar = Bar::new(journal.counts().await?.unfinished(), "putting back");
    let abandoned = journal.abandon(queues.sending(), &TokioClock, &stop, WITHIN, &|sent| bar.at(sent)).await;
    bar.end();
    let abandoned = abandoned?;
    out::line(format_args!("{} letters are back on {queue}", abandoned.sent))?;
    if abandoned.undeleted > 0 || !abandoned.is_complete {
        out::complain("not all: the same command goes on");
        return Ok(Exit::Other);
    }
    journal.close().await;
    Ok(Exit::Done)
}
