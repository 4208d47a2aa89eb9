//! What a capture is made of.

use std::fmt;

use taskwatch_sqs_message::{MAX_NESTING, Message, Unreadable};

/// One message of a capture, or a piece of it that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it begins.
    pub place: Place,
    /// What it is; `None` where that cannot be told.
    pub format: Option<Format>,
    /// SQS's id for the message, else SNS's, even of a message that cannot be read.
    pub message_id: Option<String>,
    /// The bytes as they stand in the capture, without the line's end.
    pub raw: Vec<u8>,
    /// The message, or why it cannot be read.
    pub result: Result<Message, BadInput>,
}

/// Where an item begins: unique within a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// Which message of its document, from 1, if the document can hold several. Documents that share a line are counted
    /// as one.
    pub record: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.record.map_or(Ok(()), |record| write!(f, ", record {record}"))
    }
}

/// A form that messages come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `{"Records": [...]}`.
    LambdaEvent,
    /// `{"Messages": [...]}`.
    ReceiveOutput,
    /// A JSON array of messages.
    Array,
    /// An SQS record by itself.
    Record,
    /// An SNS envelope by itself.
    Envelope,
    /// An announcement by itself, or a body as a JSON string.
    Body,
}

/// Why a piece of a capture is no message. Lines are those of the capture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadInput {
    /// The document is fine, and the message in it is not.
    #[error(transparent)]
    Message(#[from] Unreadable),
    /// Bytes that are no text.
    #[error("line {line} is not UTF-8 from byte {byte} on: expected JSON text")]
    NotUtf8 {
        /// Which line.
        line: u64,
        /// Which byte of the line, from 1.
        byte: usize,
    },
    /// A line, or a document of several lines, that is not held in memory.
    #[error("over {limit} bytes without an end: write one message per line (jq -c '.[]')")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// A document that begins and does not end.
    #[error("the JSON that begins here is cut off in line {line}")]
    CutOff {
        /// Where the text ends.
        line: u64,
    },
    /// A document of several lines that goes wrong.
    #[error("the JSON that begins here goes wrong in line {line}, column {column}: {why}")]
    Broken {
        /// Where.
        line: u64,
        /// Where in the line.
        column: usize,
        /// What the parser says.
        why: String,
    },
    /// More than a document.
    #[error("text after the end of the JSON, in line {line}: {start}")]
    Trailing {
        /// Where.
        line: u64,
        /// How it begins.
        start: String,
    },
    /// A document of several lines that is nested beyond reason.
    #[error("the JSON that begins here nests arrays and objects more than {max} deep", max = MAX_DOCUMENT_NESTING)]
    TooDeep,
}

/// Deepest nesting of a document: that of a body, and the containers around it.
pub(crate) const MAX_DOCUMENT_NESTING: usize = MAX_NESTING + 8;
