//! Publishes announcements to an SNS topic or an SQS queue: [`taskwatch_core::outbox::Announcer`] over AWS.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use taskwatch_announce::{Announce, AwsSettings};
//!
//! let target = "arn:aws:sns:eu-west-1:123456789012:new-task-notification".parse()?;
//! let announcer = Announce::to(target, &AwsSettings::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The message is what the system that users have today sends: `{"task_id": 1, "title": "..", "description": ".."}`,
//! over SNS with the subject `New Task Added`. A trace goes along as the attribute `traceparent`.
//!
//! What the crate does not do: it keeps nothing and repeats nothing beyond the retries of one call. What was not published
//! stays in the outbox; what was published without an answer comes again, which the engine makes harmless.
//!
//! **Limits.** At most 10 messages and 262,144 bytes a call, [`CONCURRENT_CALLS`] calls at once. The row decides what a
//! task is; the text in the message is for people. So an announcement that is too large, or that the other side refuses
//! as it is, goes without its description and with the first 255 characters of its title, rather than never.
//!
//! **Times.** Connecting may take 1 s, an attempt 2 s, a call with its retries (3 attempts in all) 4 s, and
//! [`Announcer::announce`](taskwatch_core::outbox::Announcer::announce) as a whole [`PATIENCE`]; what is not published
//! then is answered as an error. A relay must hide what it takes for longer than that.
//!
//! **FIFO** (a name that ends in `.fifo`). The group is the task's id. The deduplication id is `task-number`, with the
//! outbox's number: an announcement that is published twice within five minutes is delivered once, and a replay, which
//! is another announcement, is not swallowed.

mod announce;
mod batches;
mod entry;
mod failure;
mod settings;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod target;

pub use announce::{Announce, AnnounceError, CONCURRENT_CALLS, LookError, PATIENCE};
pub use target::{Target, TargetError};
pub use taskwatch_aws::AwsSettings;

#[cfg(not(any(feature = "sns", feature = "sqs")))]
compile_error!("taskwatch-announce needs the feature `sns` or `sqs`");
