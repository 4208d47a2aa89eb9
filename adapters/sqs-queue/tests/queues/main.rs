//! Calls on real queues of a stand-in for AWS, and on servers that misbehave.

#![expect(clippy::unwrap_used, reason = "tests")]

mod credentials;
mod dead_letters;
mod faulty;
mod polling;
mod scene;
mod sending;
mod sources;
mod trouble;
mod visibility;
