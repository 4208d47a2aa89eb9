//! `taskwatch dlq archive`

use std::path::PathBuf;

use clap::Args;

use super::Which;
use super::away::{self, Doing};
use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::out;
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
The archive has one SQS record per line, with attributes, as Lambda test events and replay read
them. It stands under its name when all of it is on disk. Letters of a queue are first taken
into a journal, where they stay to be replayed: without --yes this says what it would do. A file
stays as it is.

Examples:
  taskwatch dlq archive QUEUE --to letters.jsonl --yes
  taskwatch dlq archive dead.json --to failed.jsonl --class failed
  taskwatch dlq archive QUEUE --to all.jsonl --all --yes && taskwatch replay all.jsonl")]
pub(crate) struct Archive {
    #[command(flatten)]
    which: Which,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    overwrite: bool,
    /// Also letters that have been dealt with: replayed, dropped, sent, purged
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    doing: Doing,
    /// A JSON object that says what was written
    #[arg(long)]
    json: bool,
}

impl Archive {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let stop = work::stop()?;
        let chosen = self.which.choose(&settings, self.all).await?;
        let to = self.to.display();
        // Nothing leaves a file.
        if chosen.found.queues.is_some() && !self.doing.yes {
            chosen.would(self.which.look, &format!("write to {to}"), &stop).await?;
            chosen.close().await;
            return Ok(Exit::Done);
        }
        let archive = away::begin(&self.to, self.overwrite)?;
        let Some(journal) = chosen.take(&self.doing, &stop).await? else { return Ok(Exit::Interrupted) };
        let written = chosen.write(&journal, archive, false).await?;
        chosen.close().await;
        journal.close().await;
        let letters = written.as_ref().map_or(0, |(archived, _)| archived.messages + archived.broken);
        if self.json {
            let bytes = written.as_ref().map_or(0, |(archived, _)| archived.bytes);
            let file = written.is_some().then_some(&self.to);
            out::line(serde_json::json!({ "letters": letters, "bytes": bytes, "archive": file }))?;
        } else if written.is_some() {
            out::line(format_args!("{letters} letters are in {to}"))?;
        }
        Ok(Exit::Done)
    }
}
