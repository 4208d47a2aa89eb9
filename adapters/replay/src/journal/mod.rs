//! Dead letters in a local SQLite file, and all that is done with them.
//!
//! SQS has no peek, and looking through a queue hides its messages. So they are **captured**: received, committed to the
//! journal, then deleted from the queue, in that order. Everything after works from the journal.
//!
//! What holds, wherever the process is killed:
//!
//! - **No message is lost.** At every moment it is on the queue, in the journal, or both. The journal is synchronised to
//!   disk with every commit.
//! - **None is doubled.** A message that was committed and not deleted comes again and is recognised: by its id, body and
//!   attributes. It becomes free for work only when it is known to have left the queue ([`State`]).
//! - **Going on is doing the same again.** [`Journal::open`], [`Journal::capture`] or [`Journal::capture_file`] take up
//!   what was begun. A queue counts as drained only when whatever a killed run had received is visible again. A file is
//!   read on from the byte up to which it is in the journal.
//! - **An entry is begun, and then settled; or about to be sent, and then sent**: each is committed before and after the
//!   effect. Whatever was under way when the process died is seen as such. What was in work may have run: the task's row
//!   and ledger say. What was being sent is sent again under the same deduplication id, which a FIFO queue drops for five
//!   minutes; every copy carries the attribute [`ENTRY_ATTRIBUTE`] with the same value, by which any later capture
//!   recognises all but the first.
//! - **An entry is sent once.** What comes back from where it was sent to is a new entry.
//!
//! One process holds a journal at a time: an operating system's lock on a file beside it, which dies with the process. A
//! journal belongs to one queue or one file, and to one version of the format; others are refused. [`Journal::path_for`]
//! gives each queue its own file, so that two replays of one queue exclude each other as long as they use one folder.
//!
//! Memory is bounded: entries are read page by page, files chunk by chunk.
//!
//! The journal tells no time of its own (callers bring a `Clock`), and sends nothing by itself
//! ([`SendingQueue`](taskwatch_sqs_message::SendingQueue)).

mod capture;
mod capture_file;
mod command;
mod database;
mod drain;
mod entry;
mod identity;
mod lock;
mod meta;
mod open;
mod put_back;
mod reader;
mod schema;
mod send;
mod source;
mod status;
mod wire;
mod work;
mod write;

pub use capture::{Capture, CaptureError, Captured, End, Progress, Step};
pub use capture_file::{FileCaptureError, FileCaptured, FileProgress};
pub use command::Before;
pub use database::DatabaseError;
pub use entry::{Content, Edited, Entry, EntryNumber, Outcome, State, mark};
pub use identity::ENTRY_ATTRIBUTE;
pub use lock::Holder;
pub use open::{By, FORMAT_VERSION, Journal, OpenError};
pub use put_back::{AbandonError, Abandoned, PutBackError};
pub use send::{Dispatch, Parcel, SendError};
pub use source::Source;
pub use status::{Counts, Run, Status, StatusError};
pub use work::{Settlement, WorkError};
