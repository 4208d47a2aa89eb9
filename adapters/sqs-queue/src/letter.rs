//! A dead letter as a message: the original, and as much of the reason as fits beside it.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::dead_letter::{self, AT, MESSAGE_ID, REASON, SOURCE_QUEUE, TASK};
use taskwatch_sqs_message::{Attribute, AttributeValue, DeadLetter, Original};

use crate::find::Target;
use crate::message::{self, MAX_BYTES};

/// Longest reason that goes along, in characters.
pub const MAX_REASON_CHARS: usize = 1_000;

/// Most attributes of a message.
const MAX_ATTRIBUTES: usize = 10;

/// A letter ready to be sent.
pub(crate) struct Letter<'a> {
    original: &'a Original,
    /// The message's own, except what we have added to it before.
    own: BTreeMap<&'a str, &'a Attribute>,
    /// Ours, most important first.
    ours: Vec<(&'static str, Attribute)>,
    is_fifo: bool,
}

impl<'a> Letter<'a> {
    pub(crate) fn new(dead: &'a DeadLetter, target: &Target) -> Self {
        let is_ours = |name: &str| dead_letter::ALL.contains(&name);
        let attributes = dead.original.attributes.iter();
        let own = attributes.filter(|(name, _)| !is_ours(name)).map(|(name, value)| (name.as_str(), value)).collect();
        let mut letter =
            Self { original: &dead.original, own, ours: ours(dead, &target.source), is_fifo: target.is_fifo() };
        letter.ours.truncate(MAX_ATTRIBUTES.saturating_sub(letter.own.len()));
        while letter.bytes() > MAX_BYTES && letter.ours.pop().is_some() {}
        letter
    }

    /// Without anything of ours; `None` if that is how it is already.
    pub(crate) fn bare(&self) -> Option<Self> {
        let Self { original, own, ours, is_fifo } = self;
        (!ours.is_empty()).then(|| Self { original, own: own.clone(), ours: Vec::new(), is_fifo: *is_fifo })
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        let ours = self.ours.iter().map(|(name, attribute)| (*name, attribute));
        self.own.iter().map(|(name, attribute)| (*name, *attribute)).chain(ours)
    }

    /// What counts toward the limits.
    pub(crate) fn bytes(&self) -> usize {
        message::bytes(&self.original.body, self.attributes())
    }

    pub(crate) fn entry(&self, id: String) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let deduplication_id = self.is_fifo.then(|| format!("taskwatch-{}", self.original.message_id));
        message::entry(id, self.original, self.attributes(), deduplication_id)
    }
}

fn ours(dead: &DeadLetter, source: &str) -> Vec<(&'static str, Attribute)> {
    let typed = |data_type: &str, text: String| Attribute {
        data_type: data_type.to_owned(),
        value: AttributeValue::Text(text),
    };
    let text = |text: &str| typed("String", allowed(text));
    let mut ours = vec![(REASON, text(&dead.reason))];
    ours.extend(dead.task.map(|task| (TASK, typed("Number", task.get().to_string()))));
    ours.push((SOURCE_QUEUE, text(source)));
    ours.push((MESSAGE_ID, text(&dead.original.message_id)));
    ours.extend(moment(dead.at).map(|at| (AT, text(&at))));
    ours
}

/// What SQS takes as the value of an attribute: the characters of XML, and some of them.
fn allowed(text: &str) -> String {
    let xml = |c: char| match c {
        '\t' | '\n' | '\r' => c,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if u32::from(c) < 0x20 => '\u{fffd}',
        c => c,
    };
    let mut out: String = text.chars().take(MAX_REASON_CHARS).map(xml).collect();
    if out.len() < text.len() && text.chars().nth(MAX_REASON_CHARS).is_some() {
        out.pop();
        out.push('…');
    }
    if out.is_empty() { "none given".to_owned() } else { out }
}

/// RFC 3339 with microseconds; `None` before 1970 and after the year 9999.
fn moment(at: Timestamp) -> Option<String> {
    let since = Duration::from_micros(u64::try_from(at.as_micros()).ok()?);
    let year_10000 = Duration::from_secs(253_402_300_800);
    let at = UNIX_EPOCH.checked_add(since).filter(|_| since < year_10000)?;
    Some(humantime::format_rfc3339_micros(at).to_string())
}

#[cfg(test)]
mod tests;
