//! Replays of journals: through an engine in fast time, over stores and queues that fail, and as processes that are killed
//! at every boundary.

#![expect(clippy::unwrap_used, reason = "tests")]

mod away;
mod bench;
mod child;
mod groups;
mod killed;
mod letters;
mod queue;
mod store;
mod stories;
mod work;
