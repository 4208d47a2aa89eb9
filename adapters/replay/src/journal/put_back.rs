//! Putting entries on queues, and all that is left back on the one it came from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_sqs_message::{CallError, Outgoing, SendingQueue};

use super::database::DatabaseError;
use super::entry::{Content, EntryNumber, State};
use super::send::{Dispatch, SendError};
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
    /// Sends entries, notes it before and after. One answer for each, in order.
    ///
    /// What [`CallError::Unavailable`] is answered to stays [`State::Sending`]; what was not sent is free again, unless an
    /// earlier sending of it may have arrived: then a person has to look, and say [`Self::sent`] or [`Self::unsent`].
    ///
    /// # Errors
    /// [`PutBackError`]
    pub async fn put_back(
        &self,
        dispatches: &[Dispatch],
        sender: &dyn SendingQueue,
        clock: &dyn Clock,
        why: &str,
        within: Duration,
    ) -> Result<Vec<Result<(), CallError>>, PutBackError> {
        let parcels = self.prepare(dispatches, clock.now()).await?;
        let mut heads = Vec::with_capacity(parcels.len());
        // All for one queue together: it has to know what comes behind what.
        let mut queues: Vec<(String, Vec<usize>, Vec<Outgoing>)> = Vec::new();
        for (place, parcel) in parcels.into_iter().enumerate() {
            heads.push((parcel.entry, parcel.begun_before.is_some()));
            match queues.iter_mut().find(|(queue, ..)| *queue == parcel.destination) {
                Some((_, places, messages)) => {
                    places.push(place);
                    messages.push(parcel.message);
                }
                None => queues.push((parcel.destination, vec![place], vec![parcel.message])),
            }
        }
        let mut outcomes: Vec<Result<(), CallError>> = vec![Ok(()); heads.len()];
        for (queue, places, messages) in &queues {
            let silent = || CallError::Unavailable { queue: queue.clone(), why: "no answer for it".to_owned() };
            let answers = sender.send(queue, messages, within).await.into_iter();
            for (&place, answer) in places.iter().zip(answers.chain(std::iter::repeat_with(|| Err(silent())))) {
                outcomes[place] = answer;
            }
        }
        let mut sent = Vec::new();
        let mut unsent: BTreeMap<String, Vec<EntryNumber>> = BTreeMap::new();
        for ((entry, begun_before), outcome) in heads.iter().zip(&outcomes) {
            match outcome {
                Ok(()) => sent.push(*entry),
                Err(CallError::Unavailable { .. }) => {}
                // What may have gone before is not known to be there, whatever is said of it now.
                Err(_) if *begun_before => {}
                Err(error) => unsent.entry(error.to_string()).or_default().push(*entry),
            }
        }
        self.sent(&sent, why, clock.now()).await?;
        for (error, entries) in unsent {
            self.unsent(&entries, &error, clock.now()).await?;
        }
        Ok(outcomes)
    }

    /// Puts all that is unfinished back on the queue that it came from, in order; what was being sent elsewhere goes there.
    ///
    /// Ends with the first hundred in which there is one that its queue does not take: it keeps back all behind it in its
    /// group, so that the order within groups is kept.
    ///
    /// # Errors
    /// [`AbandonError`]
    pub async fn abandon(
        &self,
        sender: &dyn SendingQueue,
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
