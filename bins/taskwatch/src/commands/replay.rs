//! `taskwatch replay`

mod revive;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use clap::Args;
use taskwatch_core::delivery::{Answer, Why};
use taskwatch_core::ledger::Source;
use taskwatch_replay::{FileSource, Report, Reporter, Summary, default_rejected};
use taskwatch_settings::DatabasePlace;
use taskwatch_wiring::Announcing;

use self::revive::Revive;
use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out::{self, BAD, DIM, GOOD, styled};
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
Takes Lambda SQS events, the output of `aws sqs receive-message`, and SQS records, SNS
envelopes, announcements or JSON strings one per line, in any mixture. Failed tasks named in the
file are first put back, by whom and why; then each message runs through the engine. What cannot
be read is reported and kept aside; what names no task of the database is reported. Either ends
in exit code 3.

Examples:
  taskwatch replay dead-letters.json --http https://work.example/tasks --reason 'it is back'
  aws sqs receive-message --queue-url ... | taskwatch replay - --command -- ./send-invoice
  jq -r .raw dead-letters.json.rejected.jsonl | taskwatch replay - --simulate")]
pub(crate) struct Replay {
    /// The captured messages; `-` is standard input
    file: PathBuf,
    /// Who puts Failed tasks back [default: the user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why Failed tasks are put back, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Leave Failed tasks as they are
    #[arg(long, conflicts_with_all = ["by", "reason"])]
    keep_failed: bool,
    /// Where to keep what cannot be read [default: FILE.rejected.jsonl]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// One JSON object per message, and one for the summary; `retry-after` is in seconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    work: work::WorkArgs,
}

/// How the answers were, counted while they are reported.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicU64,
    later: AtomicU64,
    dead: AtomicU64,
    missing: AtomicU64,
    without_database: AtomicU64,
    unprinted: AtomicU64,
}

impl Replay {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(self.work.overrides())?;
        work::check(&settings)?;
        let tally = Arc::new(Tally::default());
        let source = self.source(reporter(Arc::clone(&tally), self.json))?;
        let stop = work::stop()?;
        let announcing = Announcing::of(&settings).await?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let engine = work::worker(&settings, store.clone(), Source::Replay)?;
        let relay = work::relay(announcing, &settings, store.clone());
        let reason = (!self.keep_failed).then(|| {
            let by = self.by.clone().unwrap_or_else(work::user_name);
            self.reason.as_ref().map_or_else(|| format!("by {by}"), |reason| format!("by {by}: {reason}"))
        });
        let revive = Revive::new(source, Arc::clone(&engine), reason, stop.clone());
        engine.drive(&revive, &stop).await;
        if let Some(relay) = relay {
            // Its observer has told what went wrong; a later sweep announces what is to be tried later.
            let _ = relay.sweep().await;
        }
        store.close().await;
        let summary = revive.source().summary();
        self.conclude(&summary, &tally, revive.revived(), stop.is_set(), &settings.database.place)
    }

    fn source(&self, reporter: Reporter) -> Result<FileSource, Failed> {
        let standard_input = self.file.as_os_str() == "-";
        let named = if standard_input { "stdin".into() } else { self.file.clone() };
        let rejected = self.rejected.clone().unwrap_or_else(|| default_rejected(&named));
        let opened = if standard_input {
            FileSource::new("stdin", std::io::stdin(), rejected, reporter)
        } else {
            FileSource::open(&self.file, rejected, reporter)
        };
        Ok(opened.map_err(anyhow::Error::from).context("failed to replay")?)
    }

    fn conclude(
        &self,
        summary: &Summary,
        tally: &Tally,
        revived: u64,
        stopped: bool,
        place: &DatabasePlace,
    ) -> Result<Exit, Failed> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (done, later, dead) = (count(&tally.acknowledged), count(&tally.later), count(&tally.dead));
        let missing = count(&tally.missing);
        let Summary { messages, unreadable, unanswered, .. } = summary;
        if self.json {
            out::line(serde_json::json!({ "summary": {
                "messages": messages, "unreadable": unreadable, "put_back": revived, "acknowledged": done,
                "later": later, "dead": dead, "no_such_task": missing, "unanswered": unanswered, "failure": summary.failure, "stopped": stopped,
            } }))?;
        } else {
            let formats: Vec<_> = summary.formats.iter().map(|(format, n)| format!("{n} as {format}")).collect();
            let formats = if formats.is_empty() { String::new() } else { format!(" ({})", formats.join(", ")) };
            out::line(format_args!(
                "{messages} messages{formats}, {unreadable} unreadable; {revived} failed tasks put back"
            ))?;
            out::line(format_args!("{done} settled, {later} to be tried later, {dead} dead letters"))?;
            if missing > 0 {
                out::line(styled(
                    BAD,
                    format_args!("{missing} name no task of {place}: if that is the right database, they are lost"),
                ))?;
            }
            if later > 0 {
                out::line("what is to be tried later is in the database: `taskwatch run` works it when it is due")?;
            }
        }
        let unprinted = count(&tally.unprinted);
        if unprinted > 0 {
            return Err(std::io::Error::other(format!("{unprinted} reports could not be written")).into());
        }
        if let Some(failure) = &summary.failure {
            out::complain(failure);
            return Ok(Exit::Other);
        }
        if stopped || *unanswered > 0 {
            out::complain("stopped before the end of the messages: replay the file again, what is done stays done");
            return Ok(Exit::Other);
        }
        Ok(match (count(&tally.without_database), unreadable + missing) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::BadInput,
            _ => Exit::Database,
        })
    }
}

fn reporter(tally: Arc<Tally>, json: bool) -> Reporter {
    Box::new(move |report: &Report| {
        let counter = match (&report.why, &report.answer) {
            (Why::StoreFailed(_) | Why::StoreRefused(_), _) => &tally.without_database,
            _ if is_missing(report) => &tally.missing,
            (_, Answer::Acknowledge) => &tally.acknowledged,
            (_, Answer::RetryAfter(_)) => &tally.later,
            (_, Answer::DeadLetter) => &tally.dead,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let printed = if json { out::line(serde_json::json!(report)) } else { out::line(for_people(report)) };
        if printed.is_err() {
            tally.unprinted.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// Whether the message names a task that is not there. A capture never shows it again, whatever a queue would do. (A row
/// that went away during its attempt is a different story, and acknowledged.)
fn is_missing(report: &Report) -> bool {
    report.why == Why::NoSuchTask && report.answer != Answer::Acknowledge
}

fn for_people(report: &Report) -> String {
    let answer = match &report.answer {
        _ if is_missing(report) => styled(BAD, "left alone"),
        Answer::Acknowledge => styled(GOOD, "settled"),
        Answer::RetryAfter(after) => {
            let seconds = std::time::Duration::from_secs(after.as_secs());
            format!("try again in {}", humantime::format_duration(seconds))
        }
        Answer::DeadLetter => styled(BAD, "dead letter"),
    };
    let kept = report.kept.as_ref().map(|path| format!(", kept in {}", path.display())).unwrap_or_default();
    format!("{} [{answer}]{}", out::tame(&report.to_string()), styled(DIM, out::tame(&kept)))
}
