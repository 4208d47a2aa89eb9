//! The built worker on queues of MiniStack, with SQLite and MariaDB: what it does, how it ends, and what happens to it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod life;
mod place;
