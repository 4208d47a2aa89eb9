//! `taskwatch show`

use clap::Args;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::{Record, Records as _};
use taskwatch_core::task::{Status, TaskId, TaskRow};

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out::{self, DIM, STRONG, status_style, styled};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch show 7
  taskwatch show 7 --json | jq '.entries[].event'")]
pub(crate) struct Show {
    /// Which task
    #[arg(value_parser = super::task_id)]
    id: TaskId,
    /// A JSON object with the row and its entries; times are microseconds since 1970, UTC, leases 16 hexadecimal digits
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let record = store.record(self.id).await?;
        store.close().await;
        let Some(record) = record else {
            out::complain(&format!("there is no task {}", self.id));
            return Ok(Exit::Refused);
        };
        if self.json {
            out::json(&serde_json::json!({ "task": self.id, "row": record.row, "entries": record.entries }))?;
            return Ok(Exit::Done);
        }
        print(&record)?;
        Ok(Exit::Done)
    }
}

/// A row, and its ledger as a timeline.
pub(crate) fn print(Record { row, task, entries }: &Record) -> Result<(), Failed> {
    match row {
        Some(row) => head(row)?,
        None => out::line(format_args!("task {task}: the row is gone, its ledger is left"))?,
    }
    if entries.is_empty() {
        out::line(styled(DIM, "no entries: another program inserted the row, and no worker has met it yet"))?;
    }
    let mut before = None;
    for entry in entries {
        out::line(moment(entry, before))?;
        before = Some(entry);
    }
    Ok(())
}

fn head(row: &TaskRow) -> Result<(), Failed> {
    let status = styled(status_style(row.status.known()), out::tame(&row.status.to_string()));
    out::line(format_args!("{} {}  {status}", styled(STRONG, format_args!("task {}", row.id)), out::tame(&row.title)))?;
    let field = |name: &str, value: String| out::line(format_args!("  {name:<13}{value}"));
    if let Some(description) = &row.description {
        field("description", out::excerpt(description, 500))?;
    }
    if row.is_overwritten() {
        let recorded = row.recorded.map(|status| status.to_string()).unwrap_or_default();
        field("overwritten", format!("by another program; the ledger says {recorded}"))?;
    }
    field("added", out::time(row.created))?;
    let stands = row.recorded.or(row.status.known());
    let due = if stands == Some(Status::InProgress) { "lease until" } else { "due" };
    field(due, out::time(row.due))?;
    let max = row.max_attempts.map_or_else(|| "the worker's limit".to_owned(), |max| max.to_string());
    field("attempts", format!("{} of {max}; when abandoned: {}", row.attempt, row.on_abandon.as_str()))?;
    if let Some(reason) = &row.reason {
        field("reason", out::tame(reason))?;
    }
    Ok(out::line("")?)
}

/// One line of the timeline.
fn moment(entry: &LedgerEntry, before: Option<&LedgerEntry>) -> String {
    let since = before.map_or_else(String::new, |before| {
        let took = entry.at.since(before.at);
        let rounded = std::time::Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        format!("+{}", humantime::format_duration(rounded))
    });
    let status = styled(status_style(Some(entry.to)), format_args!("{:<11}", entry.to));
    let event = entry.event.to_string();
    let origin = format!("{}/{}", entry.origin.source, out::tame(&entry.origin.worker));
    let reason = entry.reason.as_deref().map(|reason| format!("  {}", out::tame(reason))).unwrap_or_default();
    let trace = entry.trace.as_deref().map(|trace| format!("  trace {}", out::tame(trace))).unwrap_or_default();
    format!(
        "{:>3}  {}  {since:<12} {event:<11} -> {status} attempt {}  {}{reason}{trace}",
        entry.seq,
        out::time(entry.at),
        entry.attempt,
        styled(DIM, origin),
    )
}
