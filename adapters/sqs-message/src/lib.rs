//! Reads what an SQS message says: which task it announces, how often it has been received, which trace it belongs to.
//!
//! [`SqsRecord`] is a message in any of the spellings that people have; [`read`] turns it into a [`Message`], or says
//! in one sentence why it cannot ([`Unreadable`]). [`read_body`] does the same for a bare body. The body is either the
//! announcement itself (raw delivery) or an SNS envelope around it.
//!
//! A message may hold no more than a pointer to S3 ([`S3Pointer`]). [`delivery_with`] follows it with the help of a
//! [`Payloads`]; the other ports are what consumers ask of a queue: [`QueueCalls`] beside receiving and deleting, and
//! [`PolledQueue`] with both; [`SendingQueue`] is for those who send to one. The crate holds these contracts and the data they are about, and none of the calls; and
//! [`comes_again_after`], by which every consumer passes on the engine's delays.
//!
//! The crate is pure: no I/O, no clock, no AWS SDK, no log. It keeps nothing: whoever needs the raw bytes of a message
//! that cannot be read still has the record. Nothing in it panics, whatever the input.
//!
//! ```
//! use taskwatch_sqs_message::{Wrapping, read_body};
//!
//! let body = read_body(r#"{"Type": "Notification", "Message": "{\"task_id\": 7, \"title\": \"Sweep\"}"}"#)?;
//! assert_eq!(body.task.get(), 7);
//! assert!(matches!(body.wrapped, Wrapping::Sns { .. }));
//!
//! let why = read_body(r#"{"task_id": 1.5}"#).expect_err("an id is whole");
//! assert!(why.to_string().starts_with("`task_id` is 1.5"));
//! # Ok::<(), taskwatch_sqs_message::Unreadable>(())
//! ```

mod body;
mod calls;
mod comeback;
pub mod dead_letter;
mod limits;
mod message;
mod opened;
mod original;
mod payload;
mod pointer;
mod polling;
mod record;
mod sending;
mod task_id;
mod unreadable;

pub use body::{Body, Wrapping, is_envelope, read_body};
pub use calls::{CallError, DeadLetter, Hide, QueueCalls};
pub use comeback::{comes_again_after, grown};
pub use limits::{MAX_ATTRIBUTES, MAX_BODY_BYTES, MAX_EXCERPT_CHARS, MAX_NESTING, Nesting, excerpt};
pub use message::{Message, delivery, read};
pub use opened::{OpenedBody, open_body};
pub use original::{Attribute, AttributeValue, Original};
pub use payload::{PayloadError, Payloads, delivery_with};
pub use pointer::S3Pointer;
pub use polling::{MAX_POLLED, Poll, PolledQueue, Received};
pub use record::SqsRecord;
pub use sending::{Outgoing, SendingQueue};
pub use unreadable::{Part, Unreadable};
