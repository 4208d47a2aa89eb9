//! The engine in virtual time, with scripted handlers, sources and stores.

mod ahead;
mod batches;
mod bench;
mod due;
mod flaky;
mod foreign;
mod groups;
mod handler;
mod intake;
mod kept;
mod leases;
mod not_begun;
mod outages;
mod outcomes;
mod retries;
mod shutdown;
mod source;
mod table;
