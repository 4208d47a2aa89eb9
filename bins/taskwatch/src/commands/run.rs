//! `taskwatch run`

use std::sync::Arc;

use clap::Args;
use taskwatch_core::due::DueSource;
use taskwatch_core::ledger::Source;

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch run --command -- ./send-invoice --verbose
  taskwatch run --http https://work.example/tasks --concurrency 64
  taskwatch run --simulate --until-empty

SIGINT, SIGTERM or SIGHUP: nothing new is started, running attempts may finish (worker.drain),
the rest is given back untried. A second signal ends the process and its commands at once; the
leases of what ran then run out.

Without --database or database.url, ./taskwatch.db is made if it is not there. A named SQLite
file has to be there: `taskwatch migrate` makes it.")]
pub(crate) struct Run {
    /// End when nothing is Pending or In Progress any more
    #[arg(long)]
    until_empty: bool,
    #[command(flatten)]
    work: work::WorkArgs,
}

impl Run {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(self.work.overrides())?;
        // Before the database, so that a forgotten handler is said first.
        work::check(&settings)?;
        let stop = work::stop()?;
        let store = database::open(&settings, Missing::CreateDefault).await?;
        let engine = work::worker(&settings, store.clone(), Source::Local)?;
        let mut source = DueSource::new(Arc::clone(&engine), settings.worker.poll, stop.clone());
        if self.until_empty {
            source = source.until_empty(store.clone());
        }
        engine.drive(&source, &stop).await;
        store.close().await;
        Ok(Exit::Done)
    }
}
