//! The router as its clients see it.

mod access;
mod adding;
mod announcing;
mod bodies;
mod document;
mod faults;
mod listing;
mod single;
mod support;
