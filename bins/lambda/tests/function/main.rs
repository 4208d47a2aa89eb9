//! The function as it is deployed: the built `bootstrap` under MiniStack's Lambda, its queue behind a topic, MariaDB.

mod batches;
#[cfg(feature = "aws")]
mod calls;
mod frozen;
#[cfg(all(feature = "aws", feature = "intake"))]
mod intake;
mod invoked;
mod outage;
mod place;
#[path = "../support/mod.rs"]
mod support;
