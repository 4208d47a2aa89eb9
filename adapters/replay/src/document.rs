//! Complete documents, and the messages in them.

use std::collections::VecDeque;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use taskwatch_sqs_message::{Message, Nesting, SqsRecord, Unreadable, Wrapping, read, read_body};

use crate::item::{Format, Item, MAX_DOCUMENT_NESTING, Place};

/// How many containers may lie in one another: receive-message outputs slurped into an array, slurped once more.
const MAX_CONTAINERS: usize = 3;

/// Documents, usually one, whose messages are read one by one, as they are asked for.
#[derive(Debug)]
pub(crate) struct Document {
    text: String,
    parts: VecDeque<Part>,
    /// How far into the text the lines have been counted, and up to which line.
    counted: usize,
    line: u64,
    /// Number of the last message given out; `None` as long as there need be no numbers.
    record: Option<u64>,
}

/// Where one message stands in the text, and in which kind of container.
#[derive(Debug)]
struct Part {
    range: Range<usize>,
    container: Option<Format>,
}

/// An object that holds messages. The rest of it does not matter, unless it is an announcement itself.
#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "Messages")]
    messages: Option<Vec<&'a RawValue>>,
    task_id: Option<IgnoredAny>,
}

impl Document {
    /// No document.
    pub(crate) const EMPTY: Self =
        Self { text: String::new(), parts: VecDeque::new(), counted: 0, line: 0, record: None };

    /// Takes text that begins in this line, after so many other messages in the same line, and that holds a document up
    /// to each of these ends.
    pub(crate) fn new(text: String, ends: &[usize], line: u64, before: u64) -> Self {
        let mut parts = Vec::new();
        let mut start = 0;
        for &end in ends {
            expand(&text[start..end], &text, None, MAX_CONTAINERS, &mut parts);
            start = end;
        }
        let numbered = before > 0 || ends.len() > 1 || parts.iter().any(|part| part.container.is_some());
        Self { text, parts: parts.into(), counted: 0, line, record: numbered.then_some(before) }
    }

    /// How many messages are still to come.
    pub(crate) fn len(&self) -> u64 {
        self.parts.len() as u64
    }
}

impl Iterator for Document {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let Part { range, container } = self.parts.pop_front()?;
        let skipped = &self.text.as_bytes()[self.counted..range.start];
        self.line += skipped.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = range.start;
        self.record = self.record.map(|record| record + 1);
        let text = &self.text[range];
        let (own, message_id, result) = recognise(text);
        Some(Item {
            place: Place { line: self.line, record: self.record },
            format: container.or(own),
            message_id,
            raw: text.as_bytes().to_vec(),
            result: result.map_err(Into::into),
        })
    }
}

/// Finds the messages in `text`, which is a piece of `whole`.
fn expand(text: &str, whole: &str, container: Option<Format>, depth: usize, parts: &mut Vec<Part>) {
    if let Some((format, elements)) = elements(text).filter(|_| depth > 0) {
        for element in elements {
            expand(element.get(), whole, Some(format), depth - 1, parts);
        }
    } else {
        let text = text.trim();
        let start = text.as_ptr().addr() - whole.as_ptr().addr();
        parts.push(Part { range: start..start + text.len(), container });
    }
}

/// The elements of a container; `None` for anything else.
fn elements(text: &str) -> Option<(Format, Vec<&RawValue>)> {
    match text.trim_start().as_bytes().first() {
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            // An array with a class name and an object is the extended client's pointer: a body.
            let starts = |at: usize, with: char| elements.get(at).is_some_and(|raw| raw.get().starts_with(with));
            let pointer = elements.len() == 2 && starts(0, '"') && starts(1, '{');
            (!pointer).then_some((Format::Array, elements))
        }
        Some(b'{') => match serde_json::from_str(text).ok()? {
            Container { task_id: Some(_), .. } => None,
            Container { records: Some(records), .. } => Some((Format::LambdaEvent, records)),
            Container { messages: Some(messages), .. } => Some((Format::ReceiveOutput, messages)),
            _ => None,
        },
        _ => None,
    }
}

/// Reads what is no container: a record, an envelope, an announcement, a body as a JSON string, or none of these.
fn recognise(text: &str) -> (Option<Format>, Option<String>, Result<Message, Unreadable>) {
    if text.starts_with('"')
        && let Ok(body) = serde_json::from_str::<String>(text)
    {
        return body_of(&body, None);
    }
    let shallow = Nesting::default().feed(text.as_bytes()) <= MAX_DOCUMENT_NESTING;
    match shallow.then(|| serde_json::from_str(text)) {
        Some(Ok(Value::Object(object))) if SqsRecord::is_one(&object) => {
            let record = SqsRecord::from_object(&object);
            let result = read(&record);
            (Some(Format::Record), record.message_id, result)
        }
        Some(Ok(Value::Object(object))) => body_of(text, object.get("MessageId").and_then(Value::as_str)),
        _ => body_of(text, None),
    }
}

fn body_of(text: &str, id: Option<&str>) -> (Option<Format>, Option<String>, Result<Message, Unreadable>) {
    let result = read_body(text).map(Message::from);
    let id = id.map(str::to_owned).or_else(|| result.as_ref().ok()?.id().map(str::to_owned));
    let format = match &result {
        Ok(message) if matches!(message.wrapped, Wrapping::Sns { .. }) => Some(Format::Envelope),
        Ok(_) => Some(Format::Body),
        Err(_) => None,
    };
    (format, id, result)
}
