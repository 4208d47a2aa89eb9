//! The journal: on a queue made up, on files, and as a process that is killed at every boundary.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;
mod fake;
mod file;
mod killed;
mod open;
mod peek;
mod put_back;
mod queue;
mod work;
