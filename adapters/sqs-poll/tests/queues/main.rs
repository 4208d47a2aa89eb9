//! The source on queues of a stand-in for AWS, with an engine that works what comes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod groups;
mod outages;
mod worked;
