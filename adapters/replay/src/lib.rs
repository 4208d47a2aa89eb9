//! Dead letters: kept, looked at, judged by their tasks, and replayed.
//!
//! Those of a queue or of a file are captured into a local SQLite file, and everything after works from it: [`journal`]. A
//! [`Peek`] leaves them on the queue. [`Letter`], [`classify`], [`Filter`], [`Edit`], [`Stats`] and [`Archive`] are what
//! people look at and choose with; [`run`] replays, through an engine or by way of a queue.
//!
//! [`CaptureReader`] finds the messages of a file in any mixture of
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
