//! Dead letters of real queues before the real programs: `taskwatch-worker` makes them, or a redrive does; `taskwatch
//! replay` works them, or sends them back to the worker. SQLite and MariaDB, standard queues and FIFO.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod classes;
mod killed;
mod place;
mod programs;
mod redrive;
mod replay;
mod trouble;
mod two;
