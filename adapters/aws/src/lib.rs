//! How AWS is reached, for every adapter that calls it: what is left to the environment, over which TLS, how long a call
//! may take, and its errors in words.
//!
//! Nothing is called here, unless only the instance knows its region or credentials.

mod bounds;
mod settings;
mod words;

pub use bounds::{ATTEMPT, ATTEMPTS, CALL, CONNECT, bounded};
pub use settings::AwsSettings;
pub use words::{chain, words};
