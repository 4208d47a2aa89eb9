//! `taskwatch serve` over real connections.

mod contract;
mod log;
mod serving;
mod shutdown;
mod support;
