//! Events as Lambda makes them, worked on a store in memory in virtual time.

mod bench;
mod deadline;
mod events;
mod failures;
mod fifo;
mod many;
