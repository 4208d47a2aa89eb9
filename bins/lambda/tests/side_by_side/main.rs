//! The system that users have today and ours, side by side: its two functions as Python functions and ours as the built
//! `bootstrap`, under MiniStack's Lambda, on one database, one topic and one queue.

#![cfg(all(feature = "aws", feature = "intake"))]

mod checks;
mod limits;
mod load;
mod old;
mod ours;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod together;
