//! A capture as an event source.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::Serialize;
use taskwatch_core::delivery::{Answer, Answered, Delivery, Subject, Why};
use taskwatch_core::ports::{EventSource, SourceError};
use taskwatch_core::task::TaskId;
use tokio::sync::mpsc;

use crate::capture::{CaptureReader, ReadError};
use crate::item::{Format, Item, Place};
use crate::kept::KeptAside;

/// How many items are read ahead. With large messages this is what bounds the memory.
const READ_AHEAD: usize = 256;

/// Is told what became of each message, in the order of the answers.
pub type Reporter = Box<dyn Fn(&Report) + Send + Sync>;

/// Puts the messages of a capture before the engine.
///
/// A thread of its own reads ahead, so a slow pipe holds nobody up: `receive` hands over what is there.
///
/// What cannot be read goes to the engine as [`Subject::Unreadable`], so that it is counted, and is kept aside when the
/// answer comes, before it is reported. A capture cannot show a message again: after [`Answer::RetryAfter`] the task's
/// row says when it is due, and whoever works due rows takes it from there; a message for which there is no row yet is
/// in the capture for another replay.
pub struct FileSource {
    name: String,
    incoming: tokio::sync::Mutex<mpsc::Receiver<Result<Item, ReadError>>>,
    state: Mutex<State>,
    report: Reporter,
}

struct State {
    waiting: HashMap<String, Waiting>,
    kept: KeptAside,
    summary: Summary,
    failure: Option<SourceError>,
}

/// A delivery without its answer.
struct Waiting {
    place: Place,
    message_id: Option<String>,
    task: Option<TaskId>,
    /// Reason and bytes of what cannot be read.
    bad: Option<(String, Vec<u8>)>,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The capture.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// See [`Place::record`].
    pub record: Option<u64>,
    /// SQS's id for the message, else SNS's.
    pub message_id: Option<String>,
    /// The task it announces.
    pub task: Option<TaskId>,
    /// What a queue would be told.
    pub answer: Answer,
    /// Why.
    pub why: Why,
    /// Where it has been kept aside, if it could not be read.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(record) = self.record {
            write!(f, ", record {record}")?;
        }
        if let Some(id) = &self.message_id {
            write!(f, ", message {}", taskwatch_sqs_message::excerpt(id))?;
        }
        if let Some(task) = self.task {
            write!(f, ", task {task}")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// What has been read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Messages that could be read.
    pub messages: u64,
    /// Pieces that could not.
    pub unreadable: u64,
    /// In which forms they came.
    #[serde(skip)]
    pub formats: BTreeMap<Format, u64>,
    /// Deliveries that have had no answer.
    pub unanswered: usize,
    /// Why the capture could not be read to its end.
    pub failure: Option<String>,
}

/// Why a capture cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error("open {path}: {why}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Not a file.
    #[error("read {0}: it is a directory, expected a file of captured messages")]
    Directory(PathBuf),
    /// Every bad line would be found again, for ever.
    #[error("keep bad lines aside in {0}: it is the file being read, name another with --rejected")]
    SameFile(PathBuf),
    /// No thread to be had.
    #[error("start a thread to read with: {0}")]
    Thread(io::Error),
}

impl FileSource {
    /// Reads a file; bad pieces go to `rejected` (see [`crate::default_rejected`]).
    ///
    /// # Errors
    /// [`OpenError`], before anything has been read or written.
    pub fn open(path: &Path, rejected: PathBuf, report: Reporter) -> Result<Self, OpenError> {
        let failed = |why| OpenError::Open { path: path.to_owned(), why };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(OpenError::Directory(path.to_owned()));
        }
        if let (Ok(input), Ok(output)) = (path.canonicalize(), rejected.canonicalize())
            && input == output
        {
            return Err(OpenError::SameFile(rejected));
        }
        Self::new(path.display().to_string(), file, rejected, report)
    }

    /// Reads from anything, such as standard input, under this name.
    ///
    /// # Errors
    /// [`OpenError::Thread`].
    pub fn new(
        name: impl Into<String>,
        input: impl Read + Send + 'static,
        rejected: PathBuf,
        report: Reporter,
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let read = move || {
            for item in CaptureReader::new(BufReader::new(input)) {
                // The source has been dropped.
                if sender.blocking_send(item).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("replay-reader".into()).spawn(read).map_err(OpenError::Thread)?;
        let kept = KeptAside::new(rejected);
        let state = State { waiting: HashMap::new(), kept, summary: Summary::default(), failure: None };
        Ok(Self { name: name.into(), incoming: tokio::sync::Mutex::new(receiver), state: Mutex::new(state), report })
    }

    /// What has been read so far.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        Summary { unanswered: state.waiting.len(), ..state.summary.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where a panic could strike.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, waiting: Waiting, answered: Answered, kept: Option<&Path>) -> Report {
        Report {
            file: self.name.clone(),
            line: waiting.place.line,
            record: waiting.place.record,
            message_id: waiting.message_id,
            task: waiting.task,
            answer: answered.answer,
            why: answered.why,
            kept: kept.filter(|_| waiting.bad.is_some()).map(Path::to_owned),
        }
    }
}

impl State {
    fn admit(&mut self, item: Item) -> Delivery {
        let receipt = item.place.to_string();
        let mut waiting = Waiting { place: item.place, message_id: item.message_id, task: None, bad: None };
        if let Some(format) = item.format {
            *self.summary.formats.entry(format).or_default() += 1;
        }
        let delivery = match item.result {
            Ok(message) => {
                self.summary.messages += 1;
                waiting.task = Some(message.task);
                message.delivery(&receipt)
            }
            Err(why) => {
                self.summary.unreadable += 1;
                let reason = why.to_string();
                waiting.bad = Some((reason.clone(), item.raw));
                let subject = Subject::Unreadable(reason);
                Delivery { receipt: receipt.clone(), subject, receive_count: 1, trace: None, group: None }
            }
        };
        self.waiting.insert(receipt, waiting);
        delivery
    }
}

#[async_trait]
impl EventSource for FileSource {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let mut batch = Vec::new();
        self.incoming.lock().await.recv_many(&mut batch, max.max(1)).await;
        let mut state = self.state();
        let mut deliveries = Vec::with_capacity(batch.len());
        for item in batch {
            match item {
                Ok(item) => deliveries.push(state.admit(item)),
                Err(why) => {
                    let text = format!("failed to read {}: {why}", self.name);
                    state.summary.failure = Some(text.clone());
                    state.failure = Some(SourceError(text));
                }
            }
        }
        if !deliveries.is_empty() {
            return Ok(Some(deliveries));
        }
        // Nothing comes after a failure, which is told once, when all that was read before has been handed over.
        state.failure.take().map_or(Ok(None), Err)
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        let mut trouble = Vec::new();
        let mut settled = Vec::new();
        let kept = {
            let mut state = self.state();
            for answered in answers {
                match state.waiting.remove(&answered.delivery.receipt) {
                    Some(waiting) => settled.push((waiting, answered)),
                    None => trouble.push(format!("nothing at {} waits for an answer", answered.delivery.receipt)),
                }
            }
            let bad: Vec<_> = settled
                .iter()
                .filter_map(|(waiting, _)| waiting.bad.as_ref().map(|(why, raw)| (waiting.place, &**why, &**raw)))
                .collect();
            match state.kept.keep(&self.name, &bad) {
                Ok(()) => Some(state.kept.path().to_owned()),
                Err(why) => {
                    trouble.push(format!("failed to keep {} bad pieces aside: {why}", bad.len()));
                    None
                }
            }
        };
        for (waiting, answered) in settled {
            (self.report)(&self.report(waiting, answered, kept.as_deref()));
        }
        if trouble.is_empty() { Ok(()) } else { Err(SourceError(trouble.join("; "))) }
    }
}
