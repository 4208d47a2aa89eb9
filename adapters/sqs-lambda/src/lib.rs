//! From the event that Lambda makes of an SQS batch, through the engine, to the answer that makes SQS do the right thing.
//!
//! [`Batches::work`] reads the event, has the engine work its messages, and names in the typed response exactly those
//! that the queue must not delete: what failed or was given back, what another worker holds or is not due yet, and what
//! nobody can read. SQS shows them again after the visibility timeout, and moves them to the dead-letter queue once they
//! have been received too often: left to itself, it treats dead letters like everything else, and the log says why.
//!
//! - **FIFO**: messages of a group are worked one after the other, and none behind one that has to come again.
//! - **Deadline**: some time before it nothing new is started, and what still runs is given back at no cost of an attempt.
//!   Should the database not answer even then, all messages are returned in time, since a timeout of the function would
//!   cost the environment as well.
//! - **Nothing is lost**: an event that is not understood, or a message that the response could not name, fails the
//!   invocation as a whole, and SQS keeps every message of it.
//!
//! - **Payloads in S3** are fetched before the work begins, if there is somebody to do it
//!   ([`Batches::with_payloads`]). What cannot be had for now comes again; what never will is a dead letter.
//!
//! # What is asked of the queue
//!
//! Nothing, unless the binary allows it, and never for a batch of which all was done. Each kind of call takes at most 3 s
//! and ends before the response has to go out. What fails, or finds no time, leaves the message to the queue, and is
//! logged once until it works again; what is not allowed is logged once with the IAM action that is missing, and not
//! tried again for the life of the process.
//!
//! **Visibility** ([`Batches::with_visibility`]). A message comes again when there is something to do for it, instead of
//! after the queue's visibility timeout. It is reported as failed all the same. Every receive counts toward the queue's
//! `maxReceiveCount`, so that not every delay of the engine is passed on:
//!
//! | why it comes again | when |
//! | --- | --- |
//! | failed, not due yet, no such row yet | when the task is due, or the engine says |
//! | given back at the deadline | at once the first time, then after the queue's timeout |
//! | another worker has it | at the end of its lease; twice, four times as late with every receive, up to 15 min |
//! | the database does not answer, or refuses; the payload cannot be fetched for now | after the queue's timeout: in an outage, shorter delays would use up the receives of every message there is |
//! | behind another in its FIFO group | with the one in front: at once if that one has a delay, or is out of the way |
//!
//! In a FIFO queue a hidden message keeps back its whole group, so a delay holds up those behind it and overtakes nobody;
//! this is what SQS documents and what the tests of `taskwatch-sqs-queue` find.
//!
//! **Dead letters** ([`Batches::with_dead_letters`]) are sent to the dead-letter queue with their reason and acknowledged
//! then, in that order: a crash between the two sends one twice, which loses nothing. With [`Report::WholeBatch`] they
//! are sent only where nothing else makes the invocation fail, since they would come again with the rest.
//!
//! What this crate does not do: speak the runtime protocol (that is the binary's part), call AWS (the calls are ports,
//! [`QueueCalls`] and [`Payloads`]), or keep anything between two invocations but what it has learnt about those calls.
//! Without the first port, every message that is named comes again after the queue's visibility timeout; the task's own
//! due time decides when it runs.

mod aftermath;
mod batches;
mod event;
mod payloads;
mod trouble;
mod verdict;

pub use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
pub use batches::{Batches, InvalidMargin, InvocationError, Options, Report};
pub use event::EventError;
pub use taskwatch_sqs_message::{Payloads, QueueCalls};
