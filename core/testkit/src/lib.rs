//! What tests of the engine and of its adapters stand on: the ports in memory, time that only moves when it is told
//! to, chance that repeats itself, and the suites that every implementation of a port must pass.
//!
//! Nothing in here reads a clock, rolls dice or needs an async runtime, so whatever fails once fails again.
//!
//! - [`MemoryStore`]: rows and ledger in memory; [`VirtualClock`], [`SeededEntropy`], [`CountingObserver`]: the rest
//! - [`conformance`]: what every store has to do

mod clock;
pub mod conformance;
mod entropy;
mod observer;
mod store;
mod turn;

pub use clock::VirtualClock;
pub use entropy::SeededEntropy;
pub use observer::CountingObserver;
pub use store::MemoryStore;
