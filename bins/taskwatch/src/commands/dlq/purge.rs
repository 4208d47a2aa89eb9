//! `taskwatch dlq purge`

use std::path::PathBuf;

use clap::Args;
use taskwatch_core::ports::Clock as _;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::journal::{EntryNumber, Journal, Outcome, Settlement};

use super::Which;
use super::away::{self, Chosen, Doing};
use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::letters;
use crate::out;
use crate::work;

/// So many letters are settled at once.
const AT_ONCE: usize = 500;

#[derive(Debug, Args)]
#[command(after_help = "\
Letters are taken off the queue into the journal, written to an archive, and only when that is
on disk closed in the journal: no replay takes them up again. Those that the filter leaves out
stay open in the journal; `taskwatch replay SOURCE --abandon` puts them back on the queue. A
file stays as it is.

Examples:
  taskwatch dlq purge QUEUE --class completed --class cancelled
  taskwatch dlq purge QUEUE --older-than 30days --archive old.jsonl --reason 'nobody asks' --yes")]
pub(crate) struct Purge {
    #[command(flatten)]
    which: Which,
    /// Write the archive to this file [default: one beside the journals, in the folder replay.journals]
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    doing: Doing,
    /// A JSON object that says what was done
    #[arg(long)]
    json: bool,
}

impl Purge {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let stop = work::stop()?;
        let chosen = self.which.choose(&settings, false).await?;
        if !self.doing.yes {
            chosen.would(self.which.look, "archive and purge", &stop).await?;
            chosen.close().await;
            return Ok(Exit::Done);
        }
        let path = match &self.archive {
            Some(path) => path.clone(),
            None => away::default_path(&settings, &chosen.found, &out::time(TokioClock.now()))?,
        };
        let archive = away::begin(&path, false)?;
        let Some(journal) = chosen.take(&self.doing, &stop).await? else { return Ok(Exit::Interrupted) };
        let written = chosen.write(&journal, archive, true).await?;
        chosen.close().await;
        let purged = written.as_ref().map_or(&[][..], |(_, numbers)| numbers);
        self.settle(&journal, purged, &path).await?;
        let left = journal.counts().await?.unfinished();
        journal.close().await;
        self.tell(&chosen, purged.len(), left, written.is_some().then_some(&path))?;
        Ok(Exit::Done)
    }

    async fn settle(&self, journal: &Journal, purged: &[EntryNumber], archive: &std::path::Path) -> Result<(), Failed> {
        let by = letters::by(self.doing.by.as_deref(), self.doing.reason.as_deref());
        let reason = by.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let why = format!("by {}{reason}; archived in {}", by.who, archive.display());
        for some in purged.chunks(AT_ONCE) {
            let settle = |entry: &EntryNumber| Settlement { entry: *entry, outcome: Outcome::Purged, why: why.clone() };
            let settlements: Vec<_> = some.iter().map(settle).collect();
            journal.settle(&settlements, TokioClock.now()).await?;
        }
        Ok(())
    }

    fn tell(&self, chosen: &Chosen, purged: usize, left: u64, archive: Option<&PathBuf>) -> Result<(), Failed> {
        if self.json {
            let value = serde_json::json!({ "purged": purged, "left": left, "archive": archive });
            return Ok(out::line(value)?);
        }
        if let Some(archive) = archive {
            out::line(format_args!("{purged} letters are purged; they are in {}", archive.display()))?;
        }
        if left > 0 && chosen.found.queues.is_some() {
            out::remark(format_args!(
                "{left} letters are left in the journal: replay them, or put them back with `taskwatch replay SOURCE \
                 --abandon`"
            ));
        }
        Ok(())
    }
}
