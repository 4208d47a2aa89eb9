//! Dead letters: classified by ledgers that a real engine has written, archived and read back.

#![expect(clippy::unwrap_used, reason = "tests")]

mod archive;
mod bench;
mod classes;
mod round_trip;
mod work;
