//! The function as it is deployed: the built `bootstrap` under MiniStack's Lambda, its queue behind a topic, MariaDB.

mod batches;
mod invoked;
mod outage;
mod place;
