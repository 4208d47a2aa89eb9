//! A dead letter as people and filters see it: an [`Entry`] of the journal, decoded.

use std::collections::BTreeMap;
use std::fmt;
use std::time::UNIX_EPOCH;

use serde_json::Value;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;
use taskwatch_core::trace::{TRACEPARENT, from_aws_header, from_traceparent};
use taskwatch_sqs_message::{AttributeValue, OpenedBody, Received, Unreadable, dead_letter, open_body};

use crate::journal::{Content, Entry, EntryNumber, State};

/// What SQS itself says about the same, on what its redrive has moved.
const REDRIVEN_FROM: &str = "DeadLetterQueueSourceArn";

/// One dead letter.
#[derive(Clone, PartialEq)]
pub struct Letter {
    /// Of its entry in the journal.
    pub number: EntryNumber,
    /// How far that entry is.
    pub state: State,
    /// SQS's id for it, else SNS's.
    pub message_id: Option<String>,
    /// The announcement, with the edited body where there is one.
    pub body: Decoded,
    /// The task that it announces, or why that cannot be told.
    pub task: Result<TaskId, String>,
    /// Why it was given up ([`dead_letter::REASON`]); what SQS moves by itself comes without.
    pub reason: Option<String>,
    /// How often it had been received, the capture included; 1 where nobody says.
    pub receives: u32,
    /// When it was sent to the queue from which it was captured.
    pub sent_at: Option<Timestamp>,
    /// When it was given up ([`dead_letter::AT`]).
    pub died_at: Option<Timestamp>,
    /// When it was captured.
    pub captured_at: Timestamp,
    /// ARN of the queue on which it was given up: as [`dead_letter::SOURCE_QUEUE`] says, else SQS.
    pub source_queue: Option<String>,
    /// FIFO or fair-queue group.
    pub group: Option<String>,
    /// The W3C trace id that it carries, 32 hexadecimal digits.
    pub trace: Option<String>,
    /// What its sender says about it: the message's attributes over those of an SNS envelope. Bytes are in base64.
    pub attributes: BTreeMap<String, String>,
}

/// What a letter says, an SNS envelope taken off.
#[derive(Clone, PartialEq)]
pub enum Decoded {
    /// JSON, most often an announcement.
    Json(Value),
    /// Text that is no JSON, or too long or too deeply nested to be read as such.
    Text(String),
    /// A piece of a file that is not even text.
    Bytes(Vec<u8>),
}

impl Letter {
    /// Decodes an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let mut letter = Self {
            number: entry.number,
            state: entry.state,
            message_id: entry.message_id.clone(),
            body: Decoded::Text(String::new()),
            task: Err(Unreadable::NoBody.to_string()),
            reason: None,
            receives: 1,
            sent_at: None,
            died_at: None,
            captured_at: entry.captured_at,
            source_queue: None,
            group: None,
            trace: None,
            attributes: BTreeMap::new(),
        };
        let edited = entry.edited.as_ref().map(|edited| edited.0.as_str());
        match &entry.content {
            Content::Message(message) => {
                if let Some(body) = edited.or(message.record.body.as_deref()) {
                    letter.read(body);
                }
                letter.describe(message);
            }
            Content::Broken { raw, why } => match edited {
                Some(body) => letter.read(body),
                None => {
                    letter.body = match std::str::from_utf8(raw) {
                        Ok(text) => Decoded::Text(text.to_owned()),
                        Err(_) => Decoded::Bytes(raw.clone()),
                    };
                    letter.task = Err(why.clone());
                }
            },
        }
        letter
    }

    /// Takes what a body says.
    fn read(&mut self, body: &str) {
        let OpenedBody { content, said, attributes } = open_body(body);
        self.body = content.map_or_else(Decoded::Text, Decoded::Json);
        self.trace = said.as_ref().ok().and_then(|body| body.trace.clone());
        self.task = said.map(|body| body.task).map_err(|why| why.to_string());
        self.attributes = attributes;
    }

    /// Takes what stands beside the body.
    fn describe(&mut self, message: &Received) {
        let own = message.attributes.iter().map(|(name, attribute)| match &attribute.value {
            AttributeValue::Text(text) | AttributeValue::Base64(text) => (name.clone(), text.clone()),
        });
        self.attributes.extend(own);
        let record = &message.record;
        let system = |name: &str| record.attributes.get(name).filter(|text| !text.is_empty());
        let said = |name: &str| record.message_attributes.get(name).filter(|text| !text.trim().is_empty());
        self.reason = said(dead_letter::REASON).cloned();
        self.died_at = said(dead_letter::AT).and_then(|text| moment(text));
        self.source_queue = said(dead_letter::SOURCE_QUEUE).or_else(|| system(REDRIVEN_FROM)).cloned();
        self.receives = record.receive_count();
        self.sent_at = record.sent_at();
        self.group = system("MessageGroupId").cloned();
        // The message's own goes before that of its body, and X-Ray's comes last.
        let own = said(TRACEPARENT).and_then(|text| from_traceparent(text));
        let xray = || system("AWSTraceHeader").and_then(|text| from_aws_header(text));
        self.trace = own.or(self.trace.take()).or_else(xray);
    }

    /// The title that it repeats, for people; the task's row decides.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        match &self.body {
            Decoded::Json(body) => body.get("title")?.as_str().filter(|title| !title.is_empty()),
            Decoded::Text(_) | Decoded::Bytes(_) => None,
        }
    }

    /// Since when it exists, as far as anybody knows: since it was sent, else since it was captured.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.sent_at.unwrap_or(self.captured_at)
    }
}

/// Without what the letter says.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("number", &self.number)
            .field("state", &self.state)
            .field("message_id", &self.message_id)
            .field("body", &self.body)
            .field("task", &self.task.as_ref().ok())
            .finish_non_exhaustive()
    }
}

/// Without what was decoded.
impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("Json(..)"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let since = humantime::parse_rfc3339(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
pub(crate) mod tests;
