//! By what a message is known again.

use sha2::{Digest, Sha256};
use taskwatch_sqs_message::{AttributeValue, Received};

use super::entry::{Content, EntryNumber};
use super::wire;
use crate::Place;

/// The attribute that a sent entry carries: `JOURNAL/NUMBER`, the same on every copy of one sending.
pub const ENTRY_ATTRIBUTE: &str = "TaskwatchEntry";

/// 16 bytes of a SHA-256.
pub(crate) type Identity = [u8; 16];

/// Two messages are one if they have the same body, and are copies of the same sending out of a journal, whatever has been
/// added to them where they failed; else, if they have the same id, body and attributes. What has no id is known by its
/// place in its file.
pub(crate) fn identity(message_id: Option<&str>, content: &Content, place: Option<Place>) -> Identity {
    let mut digest = Sha256::new();
    let mut feed = |part: &[u8]| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    match (content, message_id, place) {
        (Content::Message(message), _, _) if sent_as(message).is_some() => {
            feed(b"entry");
            feed(sent_as(message).unwrap_or_default().as_bytes());
        }
        (_, Some(id), _) => {
            feed(b"message");
            feed(id.as_bytes());
        }
        (_, None, place) => {
            feed(b"place");
            feed(place.map(|place| place.to_string()).unwrap_or_default().as_bytes());
        }
    }
    match content {
        Content::Message(message) => {
            feed(message.record.body.as_deref().unwrap_or_default().as_bytes());
            if sent_as(message).is_none() {
                feed(wire::attributes(&message.attributes).as_bytes());
            }
        }
        Content::Broken { raw, .. } => feed(raw),
    }
    let mut identity = Identity::default();
    identity.copy_from_slice(&digest.finalize()[..16]);
    identity
}

/// What the attribute says on a message that came out of a journal.
pub(crate) fn sent_as(message: &Received) -> Option<&str> {
    match &message.attributes.get(ENTRY_ATTRIBUTE)?.value {
        AttributeValue::Text(text) => Some(text),
        AttributeValue::Base64(_) => None,
    }
}

/// The attribute's value for an entry.
pub(crate) fn name(journal: &str, number: EntryNumber) -> String {
    format!("{journal}/{number}")
}

/// The entry of this journal of which a message is a copy, or as which it was sent.
pub(crate) fn own(journal: &str, message: &Received) -> Option<i64> {
    sent_as(message)?.strip_prefix(journal)?.strip_prefix('/')?.parse().ok()
}
