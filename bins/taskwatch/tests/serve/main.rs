//! `taskwatch serve` over real connections.

mod browser;
mod contract;
mod log;
mod page;
mod serving;
mod shutdown;
mod stalling;
mod support;
