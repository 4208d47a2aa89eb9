//! From the real SDK to what CloudWatch reads.
#![cfg(test)]

mod common;
mod exporting;
mod mapping;
mod properties;
mod schema;
