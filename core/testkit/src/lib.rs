//! What tests of the engine and of its adapters stand on: the ports in memory, time that only moves when it is told
//! to, chance that repeats itself, and the suites that every implementation of a port must pass.
//!
//! Nothing in here reads a clock, rolls dice or needs an async runtime, so whatever fails once fails again.
//!
//! - [`MemoryStore`]: rows and ledger in memory; [`VirtualClock`], [`SeededEntropy`], [`CountingObserver`]: the rest
//! - [`conformance`]: what every store has to do
//! - [`model`]: random commands on a store and two engines, beside a model that says what must come of them
//! - [`simulator`]: a whole system with everything going wrong that can, from one seed

mod clock;
pub mod conformance;
mod entropy;
pub mod model;
mod observer;
pub mod simulator;
mod store;
mod turn;

pub use clock::VirtualClock;
pub use entropy::SeededEntropy;
pub use observer::CountingObserver;
pub use store::MemoryStore;
