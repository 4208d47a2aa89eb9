//! What is asked of SQS queues: [`QueueCalls`](taskwatch_sqs_message::QueueCalls),
//! [`PolledQueue`](taskwatch_sqs_message::PolledQueue) and [`SendingQueue`](taskwatch_sqs_message::SendingQueue) over the AWS
//! SDK.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//! use taskwatch_sqs_message::{Hide, QueueCalls};
//! use taskwatch_sqs_queue::{AwsSettings, SqsQueues};
//!
//! let queues = SqsQueues::new(AwsSettings::default());
//! let again_in_a_minute = Hide {
//!     receipt_handle: "AQEB...".to_owned(),
//!     hidden_for: Duration::from_secs(60),
//!     held: Duration::from_secs(5),
//! };
//! let queue = "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue";
//! for outcome in queues.hide(queue, &[again_in_a_minute], Duration::from_secs(3)).await {
//!     outcome.unwrap_or_else(|error| eprintln!("failed to {error}"));
//! }
//! # }
//! ```
//!
//! Nothing is read from the environment and nobody is called before the first call; a consumer that never needs one pays
//! nothing for this crate.
//!
//! **Dead letters** go to the queue that the source queue's redrive policy names, which is asked for and remembered for
//! [`REMEMBERED`]. The body is sent to the byte, with the message's own attributes, its `AWSTraceHeader` and its group.
//! Ours come beside them, in this order of importance as long as there is room (10 attributes, the queue's size):
//!
//! | attribute | type | what |
//! | --- | --- | --- |
//! | `TaskwatchReason` | String | why nobody could work it, at most [`MAX_REASON_CHARS`] characters |
//! | `TaskwatchTask` | Number | the task it announces, if that can be told |
//! | `TaskwatchSourceQueue` | String | ARN of the queue it came from |
//! | `TaskwatchMessageId` | String | its id there; SQS gives it a new one |
//! | `TaskwatchAt` | String | when it was given up, RFC 3339 |
//!
//! Those that an earlier journey left behind are replaced. On a FIFO queue the deduplication id is made of the message's
//! id, so that the same letter sent twice within five minutes arrives once; a standard queue takes it twice. SQS does not
//! know where a letter came from that was sent and not moved: `StartMessageMoveTask` needs the destination named.
//!
//! **Sending.** A message goes out as it is: body to the byte, attributes with their types (bytes that are not in base64 are
//! left out), `AWSTraceHeader`, group; with a group (its id, where it has none) and a deduplication id on a FIFO queue. What
//! is too large for the queue is refused by itself. An error other than
//! [`CallError::Unavailable`](taskwatch_sqs_message::CallError::Unavailable) says that none of the attempts can have sent
//! it: each was refused, or never had a connection. No answer, half of one, 408 and errors of the service leave it open,
//! whatever a later attempt is told. On a standard queue an attempt whose answer was lost is made again all the same, so
//! that a message may arrive twice.
//!
//! The order within the groups of a FIFO queue is kept whatever fails: no call has two messages of a group, one is made
//! after the other, and what stands behind a message that was not sent, or perhaps not, is not sent
//! ([`CallError::NotSent`](taskwatch_sqs_message::CallError::NotSent)). Other groups go on. A queue with one group thus takes
//! one message a call.
//!
//! **Rights.** `sqs:GetQueueUrl` and `sqs:ChangeMessageVisibility` on the source queue; for dead letters
//! `sqs:GetQueueAttributes` there, and `sqs:GetQueueUrl` and `sqs:SendMessage` on the dead-letter queue; for polling
//! `sqs:ReceiveMessage` and `sqs:DeleteMessage`; for sending `sqs:SendMessage`; for [`SqsQueues::sources_of`]
//! `sqs:ListDeadLetterSourceQueues` on the dead-letter queue. What is missing is named by
//! [`CallError::NotAllowed`](taskwatch_sqs_message::CallError::NotAllowed). A queue given by its URL needs no
//! `sqs:GetQueueUrl`.
//!
//! **Credentials** that are missing, have expired or are unknown to SQS are read anew, files and all, at the next call and
//! at most every 2 s: the SDK by itself would stay with those it has found, or with none.
//!
//! **Limits.** 10 messages a call, [`CONCURRENT_CALLS`] calls at once (one, where the order counts), each with at most 3
//! attempts of 2 s within 4 s; of what a call accepts, entries that failed through no fault of ours are sent again in at
//! most two more calls. When a call fails as a whole, those that would have come after it are not made. The caller's
//! limit ends everything. A poll is another matter: it ends [`POLL_SLACK`] after its wait, with at most 3 attempts until
//! then, and polls do not share the SDK's budget of retries with the short calls.
//!
//! What the crate does not do: decide when to poll, renew anything by itself, or log.

mod batch;
mod dead;
mod delete;
mod doubt;
mod failure;
mod find;
mod letter;
mod look;
mod message;
mod queues;
mod receive;
mod send;
mod session;
mod sources;
mod visibility;

pub use batch::CONCURRENT_CALLS;
pub use find::REMEMBERED;
pub use letter::MAX_REASON_CHARS;
pub use look::{QueueState, RedrivePolicy};
pub use queues::SqsQueues;
pub use receive::POLL_SLACK;
pub use taskwatch_aws::AwsSettings;
