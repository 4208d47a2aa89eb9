//! Where dead letters are, and how they come before whoever looks at them: a queue or a file, and the journals of both.

#[cfg_attr(not(feature = "aws"), path = "no_queue.rs")]
mod queue;
mod stdin;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::Peek;
use taskwatch_replay::journal::{
    By, Capture, End, EntryNumber, FileCaptureError, Journal, OpenError, Progress, Source,
};
use taskwatch_settings::Settings;
use tempfile::TempDir;

pub(crate) use self::queue::Queues;
use crate::exit::Failed;
use crate::out;
use crate::progress::Bar;

/// How long a look hides messages from others, at most.
const LOOK: Duration = Duration::from_secs(120);

/// How long giving back what was looked at may take.
const GIVE_BACK: Duration = Duration::from_secs(20);

/// Where dead letters are.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The ARN or URL of a queue, or a file of captured messages; `-` is standard input
    /// [default: the dead-letter queue of the setting queue.name]
    pub(crate) source: Option<String>,
    /// Keep them in this journal [default: one for each queue and file, in the folder replay.journals]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

/// Dead letters that can be got at.
pub(crate) struct Found {
    pub(crate) source: Source,
    /// The file of their journal, which may not be there yet.
    pub(crate) path: PathBuf,
    /// The way to the queue that they are on; `None` for a file.
    pub(crate) queues: Option<Queues>,
}

/// What is known of a queue.
pub(crate) struct Queue {
    pub(crate) arn: String,
    /// Messages that may be received, as SQS counts them.
    pub(crate) visible: u64,
    /// Messages that somebody has received.
    pub(crate) hidden: u64,
    /// Where its dead letters go.
    pub(crate) dead_letters: Option<String>,
}

/// Letters to be looked at.
pub(crate) struct Looked {
    /// Those that were taken off the queue before, or those of the file.
    pub(crate) kept: Option<Journal>,
    /// Those that are on the queue: a copy that ends with this.
    pub(crate) on_queue: Option<(Journal, TempDir)>,
}

impl Looked {
    /// All of them.
    pub(crate) fn journals(&self) -> impl Iterator<Item = (Whence, &Journal)> {
        let kept = self.kept.iter().map(|journal| (Whence::Journal, journal));
        kept.chain(self.on_queue.iter().map(|(journal, _)| (Whence::Queue, journal)))
    }
}

/// Where a letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whence {
    /// In the journal, under its number there.
    Journal,
    /// On the queue: it was only looked at, and its number is good for this look alone.
    Queue,
}

/// The person, and their reason.
pub(crate) fn by(who: Option<&str>, reason: Option<&str>) -> By {
    By { who: who.map_or_else(crate::work::user_name, str::to_owned), reason: reason.map(str::to_owned) }
}

/// The folder of all journals.
pub(crate) fn folder(settings: &Settings) -> Result<&Path, Failed> {
    settings.replay.journals.as_deref().ok_or_else(|| {
        Failed::Usage("there is no home folder to keep journals in: say where with --set replay.journals=FOLDER".into())
    })
}

impl SourceArgs {
    /// Finds out what is meant, and whether it is there.
    pub(crate) async fn find(&self, settings: &Settings) -> Result<Found, Failed> {
        let (source, queues) = match self.source.as_deref() {
            Some(queue) if is_queue(queue) => {
                let queues = Queues::of(settings)?;
                (Source::Queue(queues.look(queue).await?.arn), Some(queues))
            }
            Some("-") => (Source::File(stdin::keep(folder(settings)?)?), None),
            Some(file) => {
                let path = Path::new(file).canonicalize().with_context(|| format!("failed to open {file}"))?;
                if path.is_dir() {
                    return Err(anyhow::anyhow!("failed to read {file}: it is a folder, expected a file").into());
                }
                (Source::File(path), None)
            }
            None => {
                let (queue, queues) = dead_letters_of_setting(settings).await?;
                (Source::Queue(queue), Some(queues))
            }
        };
        let path = match &self.journal {
            Some(path) => path.clone(),
            None => Journal::path_for(folder(settings)?, &source),
        };
        Ok(Found { source, path, queues })
    }
}

async fn dead_letters_of_setting(settings: &Settings) -> Result<(String, Queues), Failed> {
    let Some(name) = &settings.queue.name else {
        return Err(Failed::Usage(
            "which dead letters? Give the ARN or URL of their queue, or a file; or set queue.name, whose dead-letter \
             queue is then meant"
                .into(),
        ));
    };
    let queues = Queues::of(settings)?;
    let dead = queues.look(name).await?.dead_letters;
    let none = || Failed::Usage(format!("{name} has no redrive policy that names a dead-letter queue: give one"));
    let dead = dead.ok_or_else(none)?;
    out::remark(format_args!("the dead-letter queue is {dead}"));
    Ok((dead, queues))
}

fn is_queue(source: &str) -> bool {
    ["arn:", "http://", "https://"].iter().any(|start| source.starts_with(start))
}

impl Found {
    /// Opens the journal, or begins it.
    pub(crate) async fn open(&self, by: &By) -> Result<Journal, Failed> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
        }
        Ok(Journal::open(&self.path, &self.source, by, TokioClock.now()).await?)
    }

    /// All letters, without taking any off a queue: `limit` of them at most.
    pub(crate) async fn look(&self, limit: u64, stop: &Stop) -> Result<Looked, Failed> {
        let by = by(None, Some("looks"));
        let Some(queues) = &self.queues else {
            let journal = self.take(&by, stop).await?;
            return Ok(Looked { kept: Some(journal), on_queue: None });
        };
        let kept = if self.path.exists() { self.if_free(&by).await? } else { None };
        let temporary = tempfile::tempdir().context("failed to make a folder to look at messages in")?;
        let journal = Journal::open(&temporary.path().join("look"), &self.source, &by, TokioClock.now()).await?;
        self.peek(queues, &journal, limit, stop).await?;
        Ok(Looked { kept, on_queue: Some((journal, temporary)) })
    }

    /// The journal, unless somebody is at work with it.
    async fn if_free(&self, by: &By) -> Result<Option<Journal>, Failed> {
        match Journal::open(&self.path, &self.source, by, TokioClock.now()).await {
            Ok(journal) => Ok(Some(journal)),
            Err(OpenError::InUse { holder, .. }) => {
                out::remark(format_args!("{holder} is at work with {}: not shown", self.path.display()));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn peek(&self, queues: &Queues, journal: &Journal, limit: u64, stop: &Stop) -> Result<(), Failed> {
        let Source::Queue(arn) = &self.source else { return Ok(()) };
        let about = queues.look(arn).await?;
        if about.visible == 0 && about.hidden == 0 {
            return Ok(());
        }
        let peek = Peek::of(queues.polled());
        let how = Capture { limit: Some(limit), hidden_for: LOOK, ..capture() };
        let bar = Bar::new(about.visible.min(limit), "looking");
        let captured = journal.capture(&how, &peek, &TokioClock, stop, &|now: Progress| bar.at(now.new)).await;
        bar.end();
        let left = peek.give_back(GIVE_BACK).await;
        let captured = captured?;
        if left > 0 {
            out::remark(format_args!("{left} messages could not be given back: they come back within {LOOK:?}"));
        }
        if captured.end == End::Limit {
            out::remark(format_args!("looked at {limit} of about {} messages: --look sees more", about.visible));
        } else if arn.ends_with(".fifo") && captured.new < about.visible {
            out::remark(format_args!(
                "looked at {} of about {} messages: of each group, SQS shows the first ten at most",
                captured.new, about.visible
            ));
        }
        if about.hidden > 0 {
            out::remark(format_args!("about {} messages are hidden: somebody else has received them", about.hidden));
        }
        Ok(())
    }

    /// Opens the journal and takes all letters into it, off the queue or out of the file.
    pub(crate) async fn take(&self, by: &By, stop: &Stop) -> Result<Journal, Failed> {
        let journal = self.open(by).await?;
        let Some(queues) = &self.queues else { return self.read_file(journal, by, stop).await };
        self.drain(queues, &journal, None, stop).await?;
        Ok(journal)
    }

    /// Takes messages off the queue, at most `limit` new ones.
    pub(crate) async fn drain(
        &self,
        queues: &Queues,
        journal: &Journal,
        limit: Option<u64>,
        stop: &Stop,
    ) -> Result<(), Failed> {
        let Source::Queue(arn) = &self.source else { return Ok(()) };
        let about = queues.look(arn).await?.visible;
        let bar = Bar::new(limit.map_or(about, |limit| about.min(limit)), "taking messages off the queue");
        let how = Capture { limit, ..capture() };
        let captured =
            journal.capture(&how, queues.polled(), &TokioClock, stop, &|now: Progress| bar.at(now.new)).await;
        bar.end();
        let captured = captured?;
        if captured.undeleted > 0 {
            out::remark(format_args!(
                "{} messages are in the journal and perhaps still on the queue: they are not worked before that is known",
                captured.undeleted
            ));
        }
        Ok(())
    }

    async fn read_file(&self, journal: Journal, by: &By, stop: &Stop) -> Result<Journal, Failed> {
        match read(&journal, stop).await {
            // The journal of a file that has gone, and with which all is done.
            Err(FileCaptureError::Changed { .. }) if journal.counts().await?.unfinished() == 0 => {
                let retired = journal.retire().await.context("failed to put the journal of the old file aside")?;
                out::remark(format_args!("another file than before: its journal is now {}", retired.display()));
                let journal = self.open(by).await?;
                read(&journal, stop).await?;
                Ok(journal)
            }
            read => {
                read?;
                Ok(journal)
            }
        }
    }
}

async fn read(journal: &Journal, stop: &Stop) -> Result<(), FileCaptureError> {
    let bar = Bar::bytes("reading");
    let read = journal.capture_file(&TokioClock, stop, &|now| bar.of(now.offset, now.total)).await;
    bar.end();
    read.map(|_| ())
}

fn capture() -> Capture {
    // Of a queue that others receive from, an empty poll says little; one that waits says that nothing is there.
    Capture { wait: Duration::from_secs(1), ..Capture::default() }
}

/// A folder that only its owner may enter; what is there stays as it is.
pub(crate) fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Whence {
    /// What a letter is called: by its number in the journal, or in this look.
    pub(crate) fn name(self, number: EntryNumber) -> String {
        match self {
            Self::Journal => number.to_string(),
            Self::Queue => format!("q{number}"),
        }
    }
}
