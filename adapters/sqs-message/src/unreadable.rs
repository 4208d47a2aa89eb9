//! Why a message cannot be read.

use std::fmt;

use crate::limits::{MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_NESTING};
use crate::pointer::S3Pointer;

/// Which text a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The SQS body.
    Body,
    /// The `Message` of the SNS envelope in the body.
    SnsMessage,
    /// What a pointer to S3 leads to.
    Payload,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "body",
            Self::SnsMessage => "SNS `Message`",
            Self::Payload => "payload",
        })
    }
}

/// Why a message cannot be read: what was found, and what was expected.
///
/// Text from the message is cut to [`crate::MAX_EXCERPT_CHARS`] and escaped, so that a reason is safe to log and show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A record without text.
    #[error("the record has no `body` that is text: expected the message as a string")]
    NoBody,
    /// Nothing but white space.
    #[error("the {0} is empty: expected a JSON object with a `task_id`")]
    Empty(Part),
    /// Longer than SQS delivers.
    #[error("the body has {0} bytes, and SQS delivers at most {MAX_BODY_BYTES}")]
    TooLarge(usize),
    /// More attributes than anybody sends.
    #[error("the message has {0} attributes, and at most {MAX_ATTRIBUTES} are read")]
    TooManyAttributes(usize),
    /// Arrays in arrays in arrays.
    #[error("the {0} nests arrays and objects more than {MAX_NESTING} deep")]
    TooDeep(Part),
    /// The parser gave up.
    #[error("the {part} is not JSON ({why}): {start}")]
    NotJson {
        /// Where.
        part: Part,
        /// What the parser says, with its line and column in that part.
        why: String,
        /// How the text begins.
        start: String,
    },
    /// JSON, but of another kind.
    #[error("the {part} is {found}: expected a JSON object with a `task_id`")]
    NotAnObject {
        /// Where.
        part: Part,
        /// What kind of JSON value it is.
        found: &'static str,
    },
    /// SNS talks about itself.
    #[error("the body is an SNS message of type {0}: expected a Notification")]
    SnsType(String),
    /// An envelope without text in it.
    #[error("the `Message` of the SNS envelope is {0}: expected the announcement as a string")]
    SnsMessageNotText(&'static str),
    /// The extended client has put the payload elsewhere, and nobody fetches it.
    #[error(
        "the {part} is the extended client's pointer to a payload in S3 ({pointer}), and payloads are fetched only from \
         buckets that `queue.payload_buckets` lists: add the bucket there"
    )]
    S3Pointer {
        /// Where.
        part: Part,
        /// Where the payload is.
        pointer: S3Pointer,
    },
    /// A pointer that says less than bucket and key.
    #[error("the {0} is the extended client's pointer to a payload in S3, but without bucket and key as text")]
    S3PointerOdd(Part),
    /// The payload will never be had.
    #[error("the payload in S3 ({pointer}) cannot be fetched: {why}")]
    PayloadRefused {
        /// Where the payload should be.
        pointer: S3Pointer,
        /// Why not.
        why: String,
    },
    /// Longer than is read.
    #[error("it has {0} bytes, and at most {MAX_BODY_BYTES} are read")]
    PayloadTooLarge(usize),
    /// The payload was fetched and cannot be read.
    #[error("the payload in S3 ({pointer}): {why}")]
    InPayload {
        /// Where the payload is.
        pointer: S3Pointer,
        /// What was found instead of an announcement.
        why: Box<Unreadable>,
    },
    /// A payload that is again elsewhere. Following one pointer is enough.
    #[error("the {0} is again a pointer to a payload in S3: expected a JSON object with a `task_id`")]
    PointerToPointer(Part),
    /// What S3 sends when a bucket's notifications are set up.
    #[error("the {0} is the test event that S3 sends when notifications are set up: expected an announcement")]
    S3TestEvent(Part),
    /// An object that does not name a task.
    #[error("the {part} has no `task_id` (it has: {members}): expected a positive integer")]
    NoTaskId {
        /// Where.
        part: Part,
        /// The members that it has.
        members: String,
    },
    /// `"task_id": null`, as a failed insert leaves behind.
    #[error("`task_id` is null: expected a positive integer")]
    TaskIdNull,
    /// A float, even one that is whole: who computes with ids will one day lose digits.
    #[error("`task_id` is {0}, with a fraction or exponent: expected a positive integer")]
    TaskIdFraction(String),
    /// No row has such an id.
    #[error("`task_id` is {0}: expected a positive integer")]
    TaskIdNotPositive(String),
    /// No column can hold it.
    #[error("`task_id` is {0}: ids end at {max}", max = i64::MAX)]
    TaskIdTooLarge(String),
    /// Text other than digits, a boolean, an array, an object.
    #[error("`task_id` is {0}: expected a positive integer, or a string of its digits")]
    TaskIdNotANumber(String),
}
