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
//! [`Item`] with a reason and does not stop the rest.
//!
//! Dead letters of a queue or of a file are captured into a local SQLite file and worked out of it: [`journal`]. A [`Peek`]
//! leaves them on the queue. There they become [`Letter`]s, which [`classify()`] holds against their tasks' rows and ledgers, a
//! [`Filter`] chooses among, an [`Edit`] changes, [`Stats`] counts, and an [`Archive`] writes to a file that all of the above
//! reads.
//!
//! The crate itself calls no queue and no network, starts no async runtime, and touches no database but its journals.

mod archive;
mod capture;
mod class;
mod document;
mod edit;
mod filter;
mod item;
pub mod journal;
mod letter;
mod lines;
mod peek;
mod query;
pub mod run;
mod stats;

pub use archive::{Archive, ArchiveError, Archived};
pub use capture::{CaptureReader, Position, ReadError};
pub use class::{Class, ClassKind, UnknownClass, classify, replays};
pub use edit::{Edit, EditError, ParseEditError};
pub use filter::{Filter, cause};
pub use item::{BadInput, Format, Item, Place};
pub use letter::{Decoded, Letter};
pub use lines::MAX_DOCUMENT_BYTES;
pub use peek::Peek;
pub use query::{MAX_QUERY_BYTES, MAX_QUERY_OPERATORS, Query, QueryError};
pub use stats::{MAX_REASONS, NO_REASON, OTHER_REASONS, Stats, TaskAge, day_name, fold_reason};
