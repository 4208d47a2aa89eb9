//! The built worker on queues of MiniStack, with SQLite and MariaDB: what it does, how it ends, and what happens to it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod check;
mod clock;
mod credentials;
mod database;
mod handlers;
mod instance;
mod keys;
mod killed;
mod life;
mod machine;
mod messages;
mod names;
mod notice;
mod outage;
mod place;
mod processes;
mod queue;
mod stopped;
