//! A signal to stop, which many can wait for.

use std::fmt;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// Set once, for good; cloned and awaited by everyone whom it concerns.
#[derive(Clone)]
pub struct Stop {
    set: Shared<BoxFuture<'static, ()>>,
    time_up: Option<Shared<BoxFuture<'static, ()>>>,
}

impl Stop {
    /// Is set when `signal` ends: a Unix signal, a deadline, a channel.
    pub fn when(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { set: signal.boxed().shared(), time_up: None }
    }

    /// The same, and what is not done when `time_up` ends gets no more time, however much was meant for it: the machine is
    /// about to go. It implies the stop.
    #[must_use]
    pub fn until(self, time_up: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { time_up: Some(time_up.boxed().shared()), ..self }
    }

    /// Is never set.
    #[must_use]
    pub fn never() -> Self {
        Self::when(std::future::pending())
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.clone().now_or_never().is_some()
    }

    /// Waits until it is set.
    pub async fn wait(&self) {
        self.set.clone().await;
    }

    /// Waits until there is no time left for what is still not done; for ever, where there is no such limit.
    pub async fn time_is_up(&self) {
        match &self.time_up {
            Some(time_up) => time_up.clone().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").finish()
    }
}
