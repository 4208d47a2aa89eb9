//! A signal to stop, which many can wait for.

use std::fmt;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Set once, for good; cloned and awaited by everyone whom it concerns.
#[derive(Clone)]
pub struct Stop(Shared<BoxFuture<'static, ()>>);

impl Stop {
    /// Is set when `signal` ends: a Unix signal, a deadline, a channel.
    pub fn when(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(signal.boxed().shared())
    }

    /// Is never set.
    #[must_use]
    pub fn never() -> Self {
        Self::when(std::future::pending())
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }

    /// Waits until it is set.
    pub async fn wait(&self) {
        self.0.clone().await;
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").finish()
    }
}
