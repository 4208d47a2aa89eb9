//! An SQS queue, long polled, as an [`EventSource`](taskwatch_core::ports::EventSource) of the engine.
//!
//! ```no_run
//! # async fn example(engine: taskwatch_core::engine::Engine, calls: std::sync::Arc<dyn taskwatch_sqs_poll::PolledQueue>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use taskwatch_core::stop::Stop;
//! use taskwatch_sqs_poll::{Options, Parts, SqsSource};
//!
//! let stop = Stop::when(async { /* a signal */ });
//! let queue = "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue".to_owned();
//! let parts = Parts { calls, queue, payloads: None, options: Options::default(), stop: stop.clone() };
//! let source = SqsSource::start(parts)?;
//! engine.drive(&source, &stop).await;
//! source.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! One task, the keeper, owns every message from its receive to its answer, and the source is a handle to it: what the
//! engine asks goes there, and dropping the handle ends it with all its calls. Nothing is shared, so that each promise
//! below is kept in one place:
//!
//! - **Demand** (`keeper/polls`). Polls run while the engine waits for messages, and together they ask for no more than it
//!   waits for: beside what it has taken, there is at most what polls bring that were under way when it had enough. One
//!   that takes longer than 5 s is not counted on, so that a lost answer holds up nobody. An idle queue costs one long
//!   poll per receiver. A message is handed over as soon as it is there, unless polls come back
//!   full: then it waits for others for up to 5 ms, so that many are claimed together. In FIFO queues messages wait for
//!   their turn as well; all in all no more than [`Options::capacity`] are held.
//! - **Visibility** (`keeper/heartbeat`). A message is hidden anew at half of its time, up to 12 h after its receive. One
//!   that waits that long without a reason is given back instead. One that cannot be kept is told by `lost`: at once
//!   where SQS refuses, else when its time is over.
//! - **Answers** (`keeper/answers`, `calls`). Deletes, delays and dead letters of all answers are gathered into calls of
//!   ten; one that is alone goes at once. A dead letter is sent first and deleted then.
//! - **The end** (`keeper/ending`). Once told to stop, no poll is begun, and what nobody has taken is given back.
//!   Polls that are under way are left alone as long as the engine is at work and for [`Options::grace`] at least; a
//!   message that comes later stays hidden for [`Options::hidden`] and has used up one of its receives.
//!
//! # What becomes of answers
//!
//! | answer | call |
//! | --- | --- |
//! | acknowledge | deleted; tried three times, after that it comes again and is acknowledged then |
//! | retry: failed, not due yet, no such row yet | hidden until the task is due, or as the engine says |
//! | retry: another worker has it | hidden to the end of its lease; with every receive twice as long, up to 15 min |
//! | retry: the database does not answer or refuses, the payload cannot be fetched for now, given back while at work | hidden as the engine says, but not for less than [`Options::hidden`]: in an outage, shorter delays would use up the receives of every message |
//! | retry: given back at the end; behind another in its FIFO group | visible at once: the one in front keeps back its group |
//! | dead letter | sent to the dead-letter queue with its reason, then deleted |
//! | dead letter that cannot be sent, or is not to be | hidden for 10 s, twice as long with every receive: the queue's redrive policy takes it |
//!
//! A message that was lost is deleted if its task is settled, and otherwise left to whoever has it now.
//!
//! **Failures.** A poll that fails is an error of `receive`; the engine pauses and asks again, and until a poll succeeds
//! there is one at a time. An acknowledgement that fails is an error of `answer`. Whatever else fails is logged once when
//! it begins and once when it is over. A queue that is deleted and made again, or credentials that are missing for a
//! while, need no restart.
//!
//! Time is tokio's, which does not jump; only the date on a dead letter is the wall clock's.
//!
//! What this crate does not do: call AWS (that is a port, [`PolledQueue`]), judge tasks, retry them, or count anything.

mod calls;
mod condition;
mod keeper;
mod options;
mod payloads;
mod source;

pub use options::{InvalidOptions, Options};
pub use source::{Parts, SqsSource};
pub use taskwatch_sqs_message::{Payloads, PolledQueue};
