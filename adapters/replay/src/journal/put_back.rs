//! Putting entries on queues, and all that is left back on the one it came from.

use std::path::PathBuf;
use std::time::Duration;

use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_sqs_message::CallError;

use super::database::DatabaseError;
use super::entry::{Content, EntryNumber, State};
use super::send::{Dispatch, SendError, Sender};
use super::work::WorkError;
use super::{Journal, Source};

/// Entries that are put back at once.
const AT_ONCE: usize = 100;

/// Why putting entries on queues ended early. Phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub enum PutBackError {
    /// Nothing was sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// What was sent could not be noted: the same again sends it to the same place, and it is recognised there.
    #[error(transparent)]
    Note(#[from] WorkError),
}

/// Why what is left could not all be put back. Phrased to follow «failed to»; the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum AbandonError {
    /// Nothing has left a file.
    #[error("put entries of the journal {path} back: they are from {found}, where they still are: remove the journal")]
    NoQueue {
        /// The journal.
        path: PathBuf,
        /// What it is of.
        found: Source,
    },
    /// The queue did not take this one.
    #[error("put entry {entry} back: {why}")]
    Call {
        /// The first that it did not take.
        entry: EntryNumber,
        /// Its words.
        why: CallError,
    },
    /// The journal.
    #[error(transparent)]
    PutBack(#[from] PutBackError),
    /// The journal.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What became of what was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// So many are back on a queue.
    pub sent: u64,
    /// So many are perhaps still on it: another capture settles that, and then they can be put back.
    pub undeleted: u64,
    /// Whether all was done, rather than being told to stop.
    pub is_complete: bool,
}

impl Journal {
    /// Sends entries, all to the same queue: notes it before and after. One answer for each, in order.
    ///
    /// What [`CallError::Unavailable`] is answered to stays [`State::Sending`]; what was refused is free again, unless an
    /// earlier sending of it may have arrived: then a person has to look, and say [`Self::sent`] or [`Self::unsent`].
    ///
    /// # Errors
    /// [`PutBackError`]
    pub async fn put_back(
        &self,
        dispatches: &[Dispatch],
        sender: &dyn Sender,
        clock: &dyn Clock,
        why: &str,
        within: Duration,
    ) -> Result<Vec<Result<(), CallError>>, PutBackError> {
        let parcels = self.prepare(dispatches, clock.now()).await?;
        let mut outcomes = Vec::with_capacity(parcels.len());
        for run in parcels.chunk_by(|one, other| one.destination == other.destination) {
            let queue = &run[0].destination;
            let silent = || CallError::Unavailable { queue: queue.clone(), why: "no answer for it".to_owned() };
            let answers = sender.send(queue, run, within).await.into_iter();
            outcomes.extend(answers.chain(std::iter::repeat_with(|| Err(silent()))).take(run.len()));
        }
        let (mut sent, mut refused) = (Vec::new(), Vec::new());
        for (parcel, outcome) in parcels.iter().zip(&outcomes) {
            match outcome {
                Ok(()) => sent.push(parcel.entry),
                Err(CallError::Unavailable { .. }) => {}
                // What may have gone before is not known to be there, whatever is said of it now.
                Err(_) if parcel.begun_before.is_some() => {}
                Err(error) => refused.push((parcel.entry, error.to_string())),
            }
        }
        self.sent(&sent, why, clock.now()).await?;
        for (entry, error) in refused {
            self.unsent(&[entry], &error, clock.now()).await?;
        }
        Ok(outcomes)
    }

    /// Puts all that is unfinished back on the queue that it came from, in order; what was being sent elsewhere goes there.
    ///
    /// Ends at the first that a queue does not take, so that the order within groups is kept.
    ///
    /// # Errors
    /// [`AbandonError`]
    pub async fn abandon(
        &self,
        sender: &dyn Sender,
        clock: &dyn Clock,
        stop: &Stop,
        within: Duration,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Abandoned, AbandonError> {
        let Source::Queue(queue) = &self.source else {
            return Err(AbandonError::NoQueue { path: self.path().to_owned(), found: self.source.clone() });
        };
        let mut abandoned = Abandoned::default();
        let mut after = None;
        while !stop.is_set() {
            let page = self.unfinished(after, AT_ONCE).await?;
            let Some(last) = page.last() else {
                abandoned.is_complete = true;
                break;
            };
            after = Some(last.number);
            let messages = page.into_iter().filter(|entry| matches!(entry.content, Content::Message(_)));
            let dispatches: Vec<_> = messages
                .map(|entry| Dispatch {
                    entry: entry.number,
                    destination: match entry.state {
                        State::Sending => entry.destination.unwrap_or_else(|| queue.clone()),
                        _ => queue.clone(),
                    },
                    body: None,
                })
                .collect();
            let outcomes = self.put_back(&dispatches, sender, clock, "put back on the queue", within).await?;
            let failed = dispatches.iter().zip(&outcomes).find_map(|(one, outcome)| {
                outcome.as_ref().err().map(|why| AbandonError::Call { entry: one.entry, why: why.clone() })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            abandoned.sent += dispatches.len() as u64;
            progress(abandoned.sent);
        }
        abandoned.undeleted = self.counts().await?.captured;
        Ok(abandoned)
    }
}
