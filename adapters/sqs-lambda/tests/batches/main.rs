//! Events as Lambda makes them, worked on a store in memory in virtual time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod dead_letters;
mod deadline;
mod events;
mod failures;
mod fifo;
mod log;
mod many;
mod payloads;
mod queue;
mod trouble;
mod visibility;
