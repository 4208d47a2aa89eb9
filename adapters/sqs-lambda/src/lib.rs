//! From the event that Lambda makes of an SQS batch, through the engine, to the answer that makes SQS do the right thing.
//!
//! [`Batches::work`] reads the event, has the engine work its messages, and names in the typed response exactly those
//! that the queue must not delete: what failed or was given back, what another worker holds or is not due yet, and what
//! nobody can read. SQS shows them again after the visibility timeout, and moves them to the dead-letter queue once they
//! have been received too often: dead letters are named like everything else, and the log says why.
//!
//! - **FIFO**: messages of a group are worked one after the other, and none behind one that has to come again.
//! - **Deadline**: some time before it nothing new is started, and what still runs is given back at no cost of an attempt.
//!   Should the database not answer even then, all messages are returned in time, since a timeout of the function would
//!   cost the environment as well.
//! - **Nothing is lost**: an event that is not understood, or a message that the response could not name, fails the
//!   invocation as a whole, and SQS keeps every message of it.
//!
//! What this crate does not do: speak the runtime protocol (that is the binary's part), keep anything between two
//! invocations (many may run at once on one engine), or change the visibility timeout of single messages. The delays in
//! the engine's answers are therefore not passed on: every message that is named comes again after the queue's own
//! visibility timeout, or at once in the case of a failed invocation. The task's own due time decides when it runs.

mod batches;
mod event;
mod verdict;

pub use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
pub use batches::{Batches, InvalidMargin, InvocationError, Options, Report};
pub use event::EventError;
