//! The clients, and beginning anew with others when their credentials are no good.
//!
//! The SDK keeps what it has found: the keys of a file for ever, those that do not say when they expire for 15 minutes,
//! and that there is no profile for ever as well. When SQS says that a key has expired or is unknown, or when none can be
//! found, the environment is read anew.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_sdk_sqs::Client;
use taskwatch_aws::{AwsSettings, bounded};
use taskwatch_sqs_message::CallError;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::receive;

/// How long what was read is kept at least, however bad it is.
const KEPT: Duration = Duration::from_secs(2);

/// Where the configuration comes from.
pub(crate) enum How {
    Environment(AwsSettings),
    Config(Box<SdkConfig>),
}

impl How {
    async fn load(&self) -> SdkConfig {
        match self {
            Self::Environment(settings) => settings.load().await,
            // Whoever has made it may have others when asked again.
            Self::Config(config) => config.to_builder().identity_cache(IdentityCache::lazy().build()).build(),
        }
    }
}

/// Read by whoever needs it first.
#[derive(Default)]
struct Session {
    config: OnceCell<SdkConfig>,
    client: OnceCell<Client>,
    polling: OnceCell<Client>,
}

/// The clients that are good at the moment.
pub(crate) struct Sessions {
    how: How,
    /// And since when.
    current: Mutex<(Instant, Arc<Session>)>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("is_connected", &self.current().config.initialized()).finish_non_exhaustive()
    }
}

impl Sessions {
    pub(crate) fn new(how: How) -> Self {
        Self { how, current: Mutex::new((Instant::now(), Arc::default())) }
    }

    async fn config<'a>(&self, session: &'a Session) -> &'a SdkConfig {
        session.config.get_or_init(|| self.how.load()).await
    }

    /// For short calls.
    pub(crate) async fn client(&self) -> Client {
        let session = self.current();
        let make = || async { Client::new(&bounded(self.config(&session).await).build()) };
        session.client.get_or_init(make).await.clone()
    }

    /// For calls that wait.
    pub(crate) async fn polling(&self) -> Client {
        let session = self.current();
        let make = || async { receive::client(self.config(&session).await) };
        session.polling.get_or_init(make).await.clone()
    }

    /// Has the next call read the credentials anew, if these were no good.
    pub(crate) fn heed(&self, outcomes: &[Result<(), CallError>]) {
        let is_no_good = |outcome: &Result<(), CallError>| matches!(outcome, Err(CallError::NoCredentials { .. }));
        if outcomes.iter().any(is_no_good) {
            let mut current = self.lock();
            if current.0.elapsed() >= KEPT {
                *current = (Instant::now(), Arc::default());
            }
        }
    }

    fn current(&self) -> Arc<Session> {
        Arc::clone(&self.lock().1)
    }

    fn lock(&self) -> MutexGuard<'_, (Instant, Arc<Session>)> {
        // Nothing panics while it holds it.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
