//! The body of a message: an announcement, or an SNS envelope around one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use taskwatch_core::task::TaskId;

use crate::limits::{MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_NESTING, Nesting, excerpt};
use crate::pointer::{S3Pointer, pointer};
use crate::record::{attribute_texts, text};
use crate::task_id::task_id;
use crate::unreadable::{Part, Unreadable};
use taskwatch_core::trace::{TRACEPARENT, from_traceparent};

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The task it announces.
    pub task: TaskId,
    /// The title it repeats. The row decides; this is for people.
    pub title: Option<String>,
    /// The description it repeats, likewise.
    pub description: Option<String>,
    /// Whether SNS has wrapped it.
    pub wrapped: Wrapping,
    /// Attributes of the envelope that are text or numbers; none for a raw body.
    pub attributes: BTreeMap<String, String>,
    /// The W3C trace id in the envelope's attributes or in the announcement, 32 hexadecimal digits.
    pub trace: Option<String>,
}

/// How an announcement came into its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapping {
    /// It is the body: sent to the queue directly, or by a subscription with raw delivery.
    Raw,
    /// SNS has put it into an envelope.
    Sns {
        /// ARN of the topic.
        topic: Option<String>,
        /// The subject, if one was given.
        subject: Option<String>,
        /// SNS's id for it, the same for every subscriber and every repetition.
        message_id: Option<String>,
    },
}

/// Reads the body of a message.
///
/// Members that an announcement does not need are passed over, as is a malformed `traceparent`.
///
/// # Errors
/// [`Unreadable`] says what was found instead of an announcement.
pub fn read_body(body: &str) -> Result<Body, Unreadable> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Unreadable::TooLarge(body.len()));
    }
    let opened = Opened::open(body, Part::Body)?;
    opened.announced().map(|body| opened.envelope.around(body))
}

/// What an envelope adds to the announcement in it.
#[derive(Debug)]
pub(crate) struct Envelope {
    wrapped: Wrapping,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) trace: Option<String>,
}

impl Envelope {
    /// What lies further out goes before what lies further in.
    pub(crate) fn around(self, body: Body) -> Body {
        let Self { wrapped, attributes: outer, trace } = self;
        let mut attributes = body.attributes;
        attributes.extend(outer);
        let wrapped = if wrapped == Wrapping::Raw { body.wrapped } else { wrapped };
        Body { wrapped, attributes, trace: trace.or(body.trace), ..body }
    }
}

/// A text with its envelope off, if there was one.
pub(crate) struct Opened {
    pub(crate) envelope: Envelope,
    pub(crate) content: Value,
    /// Where the content was found.
    pub(crate) part: Part,
}

/// What the content of a text is.
pub(crate) enum Said {
    Announcement(Body),
    /// The announcement lies elsewhere.
    Pointer(S3Pointer),
}

impl Opened {
    /// Reads a text, which is this part of the message.
    pub(crate) fn open(text: &str, part: Part) -> Result<Self, Unreadable> {
        let value = parse(text, part)?;
        match &value {
            Value::Object(envelope) if is_envelope(envelope) => unwrap_sns(envelope),
            _ => {
                let envelope = Envelope { wrapped: Wrapping::Raw, attributes: BTreeMap::new(), trace: None };
                Ok(Self { envelope, content: value, part })
            }
        }
    }

    pub(crate) fn said(&self) -> Result<Said, Unreadable> {
        match pointer(&self.content, self.part)? {
            Some(pointer) => Ok(Said::Pointer(pointer)),
            None => announcement(&self.content, self.part).map(Said::Announcement),
        }
    }

    /// As [`Self::said`], where nobody follows a pointer.
    pub(crate) fn announced(&self) -> Result<Body, Unreadable> {
        match self.said()? {
            Said::Announcement(body) => Ok(body),
            Said::Pointer(pointer) => Err(Unreadable::S3Pointer { part: self.part, pointer }),
        }
    }
}

/// An object that SNS made: it says its type and has a topic or a message, and is not itself an announcement.
#[must_use]
pub fn is_envelope(object: &Map<String, Value>) -> bool {
    object.get("Type").is_some_and(Value::is_string)
        && (object.contains_key("Message") || object.contains_key("TopicArn"))
        && !object.contains_key("task_id")
}

fn unwrap_sns(envelope: &Map<String, Value>) -> Result<Opened, Unreadable> {
    let kind = envelope.get("Type").and_then(Value::as_str).unwrap_or_default();
    if kind != "Notification" {
        return Err(Unreadable::SnsType(excerpt(kind)));
    }
    let message = match envelope.get("Message") {
        Some(Value::String(message)) => message,
        other => return Err(Unreadable::SnsMessageNotText(other.map_or("missing", describe))),
    };
    let attributes = attribute_texts(envelope.get("MessageAttributes"));
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Unreadable::TooManyAttributes(attributes.len()));
    }
    let content = parse(message, Part::SnsMessage)?;
    let trace = attributes.get(TRACEPARENT).and_then(|text| from_traceparent(text));
    let wrapped = Wrapping::Sns {
        topic: text(envelope.get("TopicArn")),
        subject: text(envelope.get("Subject")),
        message_id: text(envelope.get("MessageId")),
    };
    Ok(Opened { envelope: Envelope { wrapped, attributes, trace }, content, part: Part::SnsMessage })
}

fn parse(text: &str, part: Part) -> Result<Value, Unreadable> {
    if text.trim().is_empty() {
        return Err(Unreadable::Empty(part));
    }
    if Nesting::default().feed(text.as_bytes()) > MAX_NESTING {
        return Err(Unreadable::TooDeep(part));
    }
    serde_json::from_str(text).map_err(|why| Unreadable::NotJson { part, why: why.to_string(), start: excerpt(text) })
}

fn announcement(value: &Value, part: Part) -> Result<Body, Unreadable> {
    let Value::Object(members) = value else {
        return Err(Unreadable::NotAnObject { part, found: describe(value) });
    };
    let Some(id) = members.get("task_id") else {
        if members.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
            return Err(Unreadable::S3TestEvent(part));
        }
        let names = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let members = if names.is_empty() { "nothing".to_owned() } else { excerpt(&names) };
        return Err(Unreadable::NoTaskId { part, members });
    };
    Ok(Body {
        task: task_id(id)?,
        title: text(members.get("title")),
        description: text(members.get("description")),
        wrapped: Wrapping::Raw,
        attributes: BTreeMap::new(),
        trace: members.get(TRACEPARENT).and_then(Value::as_str).and_then(from_traceparent),
    })
}

const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a JSON string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
