//! Published to a stand-in for AWS, read back as our own readers read it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod environment;
mod queues;
mod relay;
mod scene;
mod topics;
mod trouble;
