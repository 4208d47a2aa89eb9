//! Payloads from the S3 of a stand-in for AWS, and from servers that misbehave.

#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod environment;
mod faulty;
mod limits;
mod messages;
mod scene;
