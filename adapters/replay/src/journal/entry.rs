//! One dead letter in the journal.

use std::fmt;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{Received, SqsRecord};

use super::wire;
use crate::Place;

/// An entry's number, from 1, in the order in which they were captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryNumber(pub(crate) i64);

impl EntryNumber {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for EntryNumber {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far an entry is. Who moves it on stands behind each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// In the journal, and perhaps still on the queue: nobody works it yet. The capture, when it has deleted it there.
    Captured,
    /// Nowhere but in the journal, and free. Whoever begins, settles or sends it.
    Kept,
    /// Begun: it may have had its effect. Whoever settles it; in another run, whoever begins it anew.
    InWork,
    /// About to be sent: it may have been sent. Whoever learns how that went; in another run, whoever sends it again to
    /// the same place.
    Sending,
    /// Done with, here.
    Settled,
    /// Sent. What comes back is another entry.
    Sent,
}

impl State {
    pub(crate) const ALL: [Self; 6] =
        [Self::Captured, Self::Kept, Self::InWork, Self::Sending, Self::Settled, Self::Sent];

    /// As it is kept. Those that are over come last.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Captured => 0,
            Self::Kept => 1,
            Self::InWork => 2,
            Self::Sending => 3,
            Self::Settled => 10,
            Self::Sent => 11,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Captured => "captured, perhaps still on the queue",
            Self::Kept => "in the journal only",
            Self::InWork => "in work",
            Self::Sending => "being sent",
            Self::Settled => "settled",
            Self::Sent => "sent",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// How an entry was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The task has been worked to its end.
    Completed,
    /// It was tried, and failed; the task's row says how it goes on.
    Failed,
    /// There was nothing to do: completed before, cancelled, no such task.
    Dropped,
    /// Somebody wanted it gone.
    Purged,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] = [Self::Completed, Self::Failed, Self::Dropped, Self::Purged];

    /// As it is kept, and for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Purged => "purged",
        }
    }

    pub(crate) fn from_words(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.words() == words)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// What was captured.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A message. One from a file may lack what only a queue tells; an envelope or a body by itself has become the body of
    /// one.
    Message(Received),
    /// A piece of a file that cannot be read, to the byte.
    Broken {
        /// The piece.
        raw: Vec<u8>,
        /// What is wrong with it.
        why: String,
    },
}

/// Without what the message says.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Broken { raw, why } => f.debug_struct("Broken").field("bytes", &raw.len()).field("why", why).finish(),
        }
    }
}

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: EntryNumber,
    /// How far it is.
    pub state: State,
    /// What was captured.
    pub content: Content,
    /// SQS's id for it, else SNS's.
    pub message_id: Option<String>,
    /// Where it stands in its file.
    pub place: Option<Place>,
    /// When it was captured first.
    pub captured_at: Timestamp,
    /// How often it came: more than once, where it was recognised.
    pub times: u32,
    /// How often it was begun.
    pub begins: u32,
    /// When anything was decided last, and in which run ([`super::Run`]).
    pub changed: Option<(Timestamp, i64)>,
    /// How it was settled.
    pub outcome: Option<Outcome>,
    /// Why so.
    pub why: Option<String>,
    /// Where it is being sent or was sent.
    pub destination: Option<String>,
    /// The body with which it is being sent or was sent, if that is not its own.
    pub edited: Option<Edited>,
}

/// A body that was changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Edited(pub String);

/// Without the body.
impl fmt::Debug for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edited").field("bytes", &self.0.len()).finish()
    }
}

/// To be followed by `WHERE` with `e.`.
pub(crate) const SELECT: &str = "SELECT e.number, e.state, e.captured_at, e.times, e.message_id, e.line, e.record, \
     e.changed_at, e.run, e.begins, e.outcome, e.why, e.destination, c.body, c.system, c.attributes, c.broken, c.edited \
     FROM entries AS e JOIN contents AS c ON c.number = e.number";

/// By what the ledger knows that a task was put back for this entry, when that had been begun so often:
/// `[JOURNAL/NUMBER.BEGINS]`.
#[must_use]
pub fn mark(journal: &str, number: EntryNumber, begins: u32) -> String {
    format!("[{journal}/{number}.{begins}]")
}

impl Entry {
    /// [`mark()`] of this entry as it is.
    #[must_use]
    pub fn mark(&self, journal: &str) -> String {
        mark(journal, self.number, self.begins)
    }

    /// Roughly what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Message(message) => message.record.body.as_ref().map_or(0, String::len),
            Content::Broken { raw, .. } => raw.len(),
        };
        size_of::<Self>() + content + self.edited.as_ref().map_or(0, |edited| edited.0.len())
    }

    pub(crate) fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let message_id: Option<String> = row.try_get("message_id")?;
        let body: Option<Vec<u8>> = row.try_get("body")?;
        let content = match row.try_get::<Option<String>, _>("broken")? {
            Some(why) => Content::Broken { raw: body.unwrap_or_default(), why },
            None => Content::Message(message(row, message_id.clone(), body)?),
        };
        let code: i64 = row.try_get("state")?;
        let unknown = || sqlx::Error::Decode(format!("there is no state {code}").into());
        let positive =
            |name| Ok::<_, sqlx::Error>(u64::try_from(row.try_get::<Option<i64>, _>(name)?.unwrap_or(0)).unwrap_or(0));
        let small = |name| Ok::<_, sqlx::Error>(u32::try_from(row.try_get::<i64, _>(name)?).unwrap_or(u32::MAX));
        let record = positive("record")?;
        let place = match positive("line")? {
            0 => None,
            line => Some(Place { line, record: (record > 0).then_some(record) }),
        };
        let changed_at: Option<i64> = row.try_get("changed_at")?;
        let run: Option<i64> = row.try_get("run")?;
        Ok(Self {
            number: EntryNumber(row.try_get("number")?),
            state: State::from_code(code).ok_or_else(unknown)?,
            content,
            message_id,
            place,
            captured_at: Timestamp::from_micros(row.try_get("captured_at")?),
            times: small("times")?,
            begins: small("begins")?,
            changed: changed_at.zip(run).map(|(at, run)| (Timestamp::from_micros(at), run)),
            outcome: row.try_get::<Option<String>, _>("outcome")?.as_deref().and_then(Outcome::from_words),
            why: row.try_get("why")?,
            destination: row.try_get("destination")?,
            edited: row.try_get::<Option<String>, _>("edited")?.map(Edited),
        })
    }
}

fn message(row: &SqliteRow, message_id: Option<String>, body: Option<Vec<u8>>) -> Result<Received, sqlx::Error> {
    let system: Option<String> = row.try_get("system")?;
    let attributes: Option<String> = row.try_get("attributes")?;
    let attributes = attributes.map(|text| wire::read_attributes(&text)).unwrap_or_default();
    let record = SqsRecord {
        message_id,
        receipt_handle: None,
        body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
        attributes: system.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        message_attributes: wire::texts(&attributes),
        source_arn: None,
    };
    Ok(Received { record, attributes })
}
