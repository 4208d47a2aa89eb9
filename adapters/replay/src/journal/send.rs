//! Sending entries on: what is noted before, what goes out, what is noted after.

use serde_json::json;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{Attribute, AttributeValue, Outgoing, dead_letter};

use super::database::{DatabaseError, json as numbers_json};
use super::entry::{Content, Entry, EntryNumber, SELECT, State};
use super::identity::{ENTRY_ATTRIBUTE, name};
use super::work::{WorkError, distinct};
use super::{Journal, Source};

const DOING: &str = "note what is sent";

/// Most attributes of a message that SQS takes.
const MAX_ATTRIBUTES: usize = 10;

/// Where an entry is to go.
#[derive(Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// Which.
    pub entry: EntryNumber,
    /// ARN or URL of the queue.
    pub destination: String,
    /// A body in place of its own; kept with the entry.
    pub body: Option<String>,
}

/// Without the body.
impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Dispatch");
        debug.field("entry", &self.entry).field("destination", &self.destination);
        debug.field("is_edited", &self.body.is_some()).finish_non_exhaustive()
    }
}

/// An entry as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Which.
    pub entry: EntryNumber,
    /// ARN or URL of the queue.
    pub destination: String,
    /// The message, with [`ENTRY_ATTRIBUTE`] among its attributes (if SQS takes one more); its deduplication id is the same
    /// each time this entry is sent.
    pub message: Outgoing,
    /// When it was first about to be sent, if that was before: it may be there already.
    pub begun_before: Option<Timestamp>,
}

/// Why entries cannot be sent. Phrased to follow «failed to»; nothing of those named together has been noted.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It may be where it was to go before.
    #[error("send entry {entry} to {asked}: it may have been sent to {destination} already: send it there again")]
    Elsewhere {
        /// Which.
        entry: EntryNumber,
        /// Where it was being sent.
        destination: String,
        /// Where it was to be sent now.
        asked: String,
    },
    /// It is no message, or none that SQS takes.
    #[error("send entry {entry}: {why}")]
    NoMessage {
        /// Which.
        entry: EntryNumber,
        /// What it is.
        why: String,
    },
    /// It is not to be had.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The journal.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// Notes that entries are about to be sent; they may be sent when this returns. Then say how it went: [`Self::sent`],
    /// [`Self::unsent`], or, where nobody knows, nothing.
    ///
    /// An entry that was about to be sent before may only be sent there again, with the body it had then.
    ///
    /// # Errors
    /// [`SendError`]: none may be sent.
    pub async fn prepare(&self, dispatches: &[Dispatch], now: Timestamp) -> Result<Vec<Parcel>, SendError> {
        let failed = self.database.failed(DOING);
        let mut parcels = Vec::with_capacity(dispatches.len());
        let mut rows = Vec::new();
        for dispatch in dispatches {
            let mut statement = sqlx::QueryBuilder::new(SELECT);
            statement.push(" WHERE e.number = ").push_bind(dispatch.entry.get());
            let found = statement.build().fetch_optional(&self.database.pool).await.map_err(failed)?;
            let found = found.ok_or(WorkError::NoSuchEntry { entry: dispatch.entry })?;
            let mut entry = Entry::from_row(&found).map_err(failed)?;
            match (entry.state, &entry.destination) {
                (State::Kept | State::InWork, _) => {
                    entry.edited = dispatch.body.clone().map(super::Edited);
                    rows.push(json!([entry.number.get(), dispatch.destination, dispatch.body]));
                }
                (State::Sending, Some(destination)) if *destination == dispatch.destination => {}
                (State::Sending, destination) => {
                    return Err(SendError::Elsewhere {
                        entry: entry.number,
                        destination: destination.clone().unwrap_or_default(),
                        asked: dispatch.destination.clone(),
                    });
                }
                (found, _) => return Err(WorkError::NotNow { doing: "send", entry: entry.number, found }.into()),
            }
            let goes_back = matches!(&self.source, Source::Queue(queue) if *queue == dispatch.destination);
            parcels.push(parcel(&self.id, entry, &dispatch.destination, goes_back)?);
        }
        let rows = serde_json::Value::from(rows).to_string();
        let mut transaction = self.database.begin(DOING).await?;
        let edit = "UPDATE contents SET edited = v.body \
                    FROM (SELECT value ->> 0 AS number, value ->> 2 AS body FROM json_each(?1)) AS v \
                    WHERE contents.number = v.number";
        sqlx::query(edit).bind(&rows).execute(&mut *transaction).await.map_err(failed)?;
        let begin = "UPDATE entries SET state = 3, destination = v.destination, changed_at = ?2, run = ?3 \
                     FROM (SELECT value ->> 0 AS number, value ->> 1 AS destination FROM json_each(?1)) AS v \
                     WHERE entries.number = v.number AND state IN (1, 2)";
        let query = sqlx::query(begin).bind(&rows).bind(now.as_micros()).bind(self.run);
        query.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(parcels)
    }

    /// Notes that entries have been sent: they are done with.
    ///
    /// # Errors
    /// [`WorkError`]: nothing is noted, and they may be sent again to the same place.
    pub async fn sent(&self, entries: &[EntryNumber], why: &str, now: Timestamp) -> Result<(), WorkError> {
        self.note(entries, State::Sent, why, now).await
    }

    /// Notes that entries have certainly not been sent: they are free again.
    ///
    /// # Errors
    /// [`WorkError`]
    pub async fn unsent(&self, entries: &[EntryNumber], why: &str, now: Timestamp) -> Result<(), WorkError> {
        self.note(entries, State::Kept, why, now).await
    }

    async fn note(&self, entries: &[EntryNumber], state: State, why: &str, now: Timestamp) -> Result<(), WorkError> {
        let numbers = distinct(entries);
        if numbers.is_empty() {
            return Ok(());
        }
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        let note = "UPDATE entries SET state = ?2, why = ?3, changed_at = ?4, run = ?5, \
                    destination = CASE ?2 WHEN 11 THEN destination END \
                    WHERE state = 3 AND number IN (SELECT value FROM json_each(?1))";
        let query = sqlx::query(note).bind(numbers_json(&numbers)).bind(state.code()).bind(why);
        let query = query.bind(now.as_micros()).bind(self.run);
        let done = query.execute(&mut *transaction).await.map_err(failed)?;
        if done.rows_affected() != numbers.len() as u64 {
            transaction.rollback().await.map_err(failed)?;
            return Err(self.offender("note as sent", &numbers, &[State::Sending]).await?);
        }
        Ok(transaction.commit().await.map_err(failed)?)
    }
}

/// With `goes_back`, it goes where it was a dead letter.
fn parcel(journal: &str, entry: Entry, destination: &str, goes_back: bool) -> Result<Parcel, SendError> {
    let number = entry.number;
    let begun_before = if entry.state == State::Sending { entry.changed.map(|(at, _)| at) } else { None };
    let no_message = |why: &str| SendError::NoMessage { entry: number, why: why.to_owned() };
    let mut message = match entry.content {
        Content::Message(message) => message,
        Content::Broken { why, .. } => {
            return Err(no_message(&format!("it is a piece of a file that is no message: {why}")));
        }
    };
    if let Some(edited) = entry.edited {
        message.record.body = Some(edited.0);
    }
    // A body from a file may come without any id.
    message.record.message_id.get_or_insert_with(|| name(journal, number));
    let mut original = message.original().ok_or_else(|| no_message("it has no body, or too many attributes"))?;
    original.attributes.remove(ENTRY_ATTRIBUTE);
    if !goes_back {
        // Elsewhere it is no dead letter: what was said of it as one would be taken for the reason of the next time.
        original.attributes.retain(|name, _| !dead_letter::ALL.contains(&name.as_str()));
    }
    if original.attributes.len() < MAX_ATTRIBUTES {
        let value = AttributeValue::Text(name(journal, number));
        original.attributes.insert(ENTRY_ATTRIBUTE.to_owned(), Attribute { data_type: "String".to_owned(), value });
    }
    Ok(Parcel {
        entry: number,
        destination: destination.to_owned(),
        message: Outgoing { original, deduplication_id: format!("taskwatch-{journal}-{number}") },
        begun_before,
    })
}
