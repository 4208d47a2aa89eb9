//! Captured SQS messages as an event source: from a file or a pipe, in the forms that people really have.
//!
//! [`CaptureReader`] finds the messages in any mixture of
//!
//! - Lambda SQS events (`{"Records": [...]}`), in one line or pretty-printed,
//! - the output of `aws sqs receive-message` (`{"Messages": [...]}`), likewise, one after the other or slurped into
//!   an array,
//! - JSON arrays of records, envelopes, announcements or bodies as strings,
//! - one SQS record, SNS envelope or announcement per line, or one body per line as a JSON string.
//!
//! It holds one document at a time, so a file of JSON lines may be of any length. What cannot be read becomes an
//! [`Item`] with a reason and does not stop the rest. [`FileSource`] puts the messages before the engine through
//! [`taskwatch_core::ports::EventSource`], keeps aside what cannot be read ([`KeptAside`]), and tells what became of each
//! message ([`Report`]).
//!
//! With the feature `journal`, dead letters of a queue or of a file are captured into a local SQLite file and worked out
//! of it: the module `journal`.
//!
//! The crate itself calls no queue and no network, and starts no async runtime; without `journal`, it touches no database.

mod capture;
mod document;
mod item;
#[cfg(feature = "journal")]
pub mod journal;
mod kept;
mod lines;
mod source;

pub use capture::{CaptureReader, Position, ReadError};
pub use item::{BadInput, Format, Item, Place};
pub use kept::{KeepError, KeptAside, default_rejected};
pub use lines::MAX_DOCUMENT_BYTES;
pub use source::{FileSource, OpenError, Report, Reporter, Summary};
