//! What takes letters off a queue: what it would do, taking them, and writing them to an archive.

use std::path::{Path, PathBuf};

use clap::Args;
use taskwatch_core::ports::Records;
use taskwatch_core::stop::Stop;
use taskwatch_replay::Filter;
use taskwatch_replay::journal::{EntryNumber, Journal, Source, State};
use taskwatch_replay::{Archive, Archived};
use taskwatch_settings::Settings;
use taskwatch_sql_store::SqlStore;

use super::Which;
use super::walk::{Walk, asks_about_tasks};
use crate::database::{self, Missing};
use crate::exit::Failed;
use crate::letters::{self, Found, Whence};
use crate::out;
use crate::progress::Bar;

/// Doing it.
#[derive(Debug, Args)]
pub(super) struct Doing {
    /// Do it
    #[arg(long, short = 'y', help_heading = "Doing it")]
    pub(super) yes: bool,
    /// Who does it [default: the user]
    #[arg(long, value_name = "NAME", help_heading = "Doing it")]
    pub(super) by: Option<String>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT", help_heading = "Doing it")]
    pub(super) reason: Option<String>,
}

/// Letters, and all that it takes to choose among them.
pub(super) struct Chosen {
    pub(super) found: Found,
    filter: Filter,
    /// Where the tasks are, where anybody asks about them.
    store: Option<std::sync::Arc<SqlStore>>,
    all: bool,
}

impl Which {
    /// Finds them.
    pub(super) async fn choose(&self, settings: &Settings, all: bool) -> Result<Chosen, Failed> {
        let filter = self.filter.filter();
        let store = match asks_about_tasks(&filter) {
            true => Some(database::open(settings, Missing::Refuse).await?),
            false => None,
        };
        Ok(Chosen { found: self.source.find(settings).await?, filter, store, all })
    }
}

impl Chosen {
    fn walk<'a>(&'a self, from: (Whence, &'a Journal)) -> Walk<'a> {
        let records = self.store.as_deref().map(|store| store as &dyn Records);
        Walk::new(from, &self.filter, records, self.all)
    }

    /// Says what would be done: `would` and how many letters.
    pub(super) async fn would(&self, look: u64, would: &str, stop: &Stop) -> Result<(), Failed> {
        let looked = self.found.look(look, stop).await?;
        let (mut meant, mut seen) = (0, 0);
        for from in looked.journals() {
            let mut walk = self.walk(from);
            while let Some(page) = walk.next().await? {
                meant += page.len();
            }
            seen += walk.seen;
        }
        if let (Source::Queue(queue), Some(queues)) = (&self.found.source, &self.found.queues) {
            let about = queues.look(queue).await?.visible;
            out::line(format_args!("would take about {about} messages off {queue}"))?;
            out::line(format_args!("  into the journal {}", self.found.path.display()))?;
        }
        out::line(format_args!("would {would} {meant} of {seen} letters"))?;
        out::remark("nothing has been done: --yes does it");
        Ok(())
    }

    /// Takes letters into the journal; `None` if that was interrupted.
    pub(super) async fn take(&self, doing: &Doing, stop: &Stop) -> Result<Option<Journal>, Failed> {
        let by = letters::by(doing.by.as_deref(), doing.reason.as_deref());
        let journal = self.found.take(&by, stop).await?;
        if stop.is_set() {
            out::remark("interrupted: what was taken is in the journal, and the same command goes on");
            journal.close().await;
            return Ok(None);
        }
        Ok(Some(journal))
    }

    /// Writes the letters of a journal to an archive, and brings it to disk; `None` if there are none, and then there is no
    /// file either. With `open_only`, what may have been sent elsewhere is left out.
    pub(super) async fn write(
        &self,
        journal: &Journal,
        mut archive: Archive,
        open_only: bool,
    ) -> Result<Option<(Archived, Vec<EntryNumber>)>, Failed> {
        let queue = match &self.found.source {
            Source::Queue(arn) => Some(arn.as_str()),
            Source::File(_) => None,
        };
        let counts = journal.counts().await?;
        let bar = Bar::new(if self.all { counts.entries() } else { counts.unfinished() }, "writing the archive");
        let mut walk = self.walk((Whence::Journal, journal));
        let (mut written, mut sending) = (Vec::new(), 0_u64);
        while let Some(page) = walk.next().await? {
            for one in page {
                if open_only && one.entry.state == State::Sending {
                    sending += 1;
                    continue;
                }
                archive.add(&one.entry, queue).map_err(failed)?;
                written.push(one.entry.number);
            }
            bar.at(walk.seen);
        }
        bar.end();
        if sending > 0 {
            out::remark(format_args!("{sending} letters may have been sent elsewhere already: they are left alone"));
        }
        if written.is_empty() {
            out::remark(format_args!("none of {} letters is meant: nothing has been written", walk.seen));
            return Ok(None);
        }
        Ok(Some((archive.finish().map_err(failed)?, written)))
    }

    /// Ends the connection to the tasks.
    pub(super) async fn close(&self) {
        if let Some(store) = &self.store {
            store.close().await;
        }
    }
}

/// Begins an archive: whatever stands in its way is known before a message leaves its queue.
pub(super) fn begin(path: &Path, overwrite: bool) -> Result<Archive, Failed> {
    Archive::create(path, overwrite).map_err(failed)
}

/// An archive beside the journals that no other has the name of.
pub(super) fn default_path(settings: &Settings, found: &Found, now: &str) -> Result<PathBuf, Failed> {
    let folder = letters::folder(settings)?;
    letters::create_private(folder)
        .map_err(|why| Failed::Other(anyhow::anyhow!("failed to make the folder {}: {why}", folder.display())))?;
    let stem = found.path.file_stem().unwrap_or_default().to_string_lossy();
    let now: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    Ok(folder.join(format!("{stem}-purged-{now}.jsonl")))
}

fn failed(error: taskwatch_replay::ArchiveError) -> Failed {
    Failed::Other(anyhow::anyhow!("failed to {error}"))
}
