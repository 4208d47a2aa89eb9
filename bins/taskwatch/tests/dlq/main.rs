//! `taskwatch dlq`: on files as the program is built by default, on queues with the feature `aws`.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod archives;
mod files;
mod place;
mod purges;
#[cfg(feature = "aws")]
mod queue;
#[cfg(feature = "aws")]
mod queues;
mod views;
