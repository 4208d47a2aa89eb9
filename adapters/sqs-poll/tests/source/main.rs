//! The source on a queue in memory, in virtual time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod dead_letters;
mod demand;
mod ending;
mod failures;
mod fake;
mod fifo;
mod heartbeat;
mod payloads;
mod scene;
