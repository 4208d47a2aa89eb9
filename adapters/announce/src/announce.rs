//! The announcer: batches, calls at once, one deadline over all.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures_util::{StreamExt, stream};
use taskwatch_aws::AwsSettings;
use taskwatch_core::outbox::{Announcement, Announcer};
use tokio::time::{Instant, timeout_at};

use crate::batches::batches;
use crate::entry::Entry;
use crate::failure::{Failure, Outcomes};
use crate::settings::{adapted, load};
use crate::target::{Kind, Target};

/// How many calls run at once.
pub const CONCURRENT_CALLS: usize = 4;

/// Longest time that [`Announcer::announce`] takes.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes to one topic or queue. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Announce {
    target: Target,
    client: Client,
}

#[derive(Clone)]
enum Client {
    #[cfg(feature = "sns")]
    Sns(aws_sdk_sns::Client),
    #[cfg(feature = "sqs")]
    Sqs(aws_sdk_sqs::Client),
}

/// Phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// The program lacks the feature for this target.
    #[error("announce tasks to {0}: this program was built without {1}")]
    NotBuilt(Target, &'static str),
    /// Nobody says which region the queue is in.
    #[error("announce tasks to {0}: its region is not known; set AWS_REGION")]
    NoRegion(Target),
}

/// Why a target cannot be looked at: phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// Who may publish need not be allowed to look.
    #[error("look at {target}: the credentials do not allow {action}: {why}")]
    NotAllowed {
        /// Where to.
        target: Target,
        /// The IAM action that is missing.
        action: &'static str,
        /// The other side's words.
        why: String,
    },
    /// It is not there, or not to be reached.
    #[error("look at {target}: {why}")]
    Failed {
        /// Where to.
        target: Target,
        /// The other side's words.
        why: String,
    },
}

impl fmt::Debug for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announce").field("target", &self.target.name).finish_non_exhaustive()
    }
}

impl Announce {
    /// To this topic or queue, with the credentials of the environment. Nothing is called before something is announced.
    ///
    /// # Errors
    /// [`AnnounceError`]
    pub async fn to(target: Target, settings: &AwsSettings) -> Result<Self, AnnounceError> {
        let config = load(settings, &target).await;
        Self::with(target, &config)
    }

    /// The same with a configuration that the program has already loaded; its timeouts and retries are replaced, and its
    /// region too if the target names one.
    ///
    /// # Errors
    /// [`AnnounceError`]
    pub fn with(target: Target, config: &SdkConfig) -> Result<Self, AnnounceError> {
        let config = adapted(config, &target);
        if config.region().is_none() {
            return Err(AnnounceError::NoRegion(target));
        }
        let client = match target.kind {
            #[cfg(feature = "sns")]
            Kind::Topic => Client::Sns(aws_sdk_sns::Client::new(&config)),
            #[cfg(feature = "sqs")]
            Kind::Queue => Client::Sqs(aws_sdk_sqs::Client::new(&config)),
            #[cfg(not(feature = "sns"))]
            Kind::Topic => return Err(AnnounceError::NotBuilt(target, "SNS")),
            #[cfg(not(feature = "sqs"))]
            Kind::Queue => return Err(AnnounceError::NotBuilt(target, "SQS")),
        };
        Ok(Self { target, client })
    }

    /// Where to.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the topic or queue is there and can be reached. Takes `sns:GetTopicAttributes` or `sqs:GetQueueAttributes`,
    /// which publishing does not.
    ///
    /// # Errors
    /// [`LookError`]
    pub async fn look(&self) -> Result<(), LookError> {
        let name = &self.target.name;
        let (looked, action) = match &self.client {
            #[cfg(feature = "sns")]
            Client::Sns(client) => (crate::sns::look(client, name).await, "sns:GetTopicAttributes"),
            #[cfg(feature = "sqs")]
            Client::Sqs(client) => (crate::sqs::look(client, name).await, "sqs:GetQueueAttributes"),
        };
        let target = || self.target.clone();
        looked.map_err(|(code, why)| match code.as_deref() {
            Some("AccessDenied" | "AccessDeniedException" | "AuthorizationError") => {
                LookError::NotAllowed { target: target(), action, why }
            }
            _ => LookError::Failed { target: target(), why },
        })
    }

    /// One call for a batch, and another for those of it that were refused as they were and can do with less.
    async fn publish(&self, entries: &[Entry], deadline: Instant) -> Outcomes {
        let mut outcomes = self.call(entries, deadline).await;
        let refused = outcomes.iter().zip(entries).enumerate().filter_map(|(at, (outcome, entry))| {
            let refused = outcome.as_ref().is_err_and(|failure| failure.refused);
            Some((at, entry.shorter().filter(|_| refused)?))
        });
        let (places, shorter): (Vec<_>, Vec<_>) = refused.unzip();
        if !shorter.is_empty() {
            for (place, outcome) in places.into_iter().zip(self.call(&shorter, deadline).await) {
                outcomes[place] = outcome;
            }
        }
        outcomes
    }

    async fn call(&self, entries: &[Entry], deadline: Instant) -> Outcomes {
        let name = &self.target.name;
        let call = async {
            match &self.client {
                #[cfg(feature = "sns")]
                Client::Sns(client) => crate::sns::publish(client, name, entries).await,
                #[cfg(feature = "sqs")]
                Client::Sqs(client) => crate::sqs::publish(client, name, entries).await,
            }
        };
        let late = || Err(format!("no answer within {PATIENCE:?}"));
        let answered = if Instant::now() < deadline { timeout_at(deadline, call).await.ok() } else { None };
        answered.unwrap_or_else(late).unwrap_or_else(|why| vec![Err(Failure { why, refused: false }); entries.len()])
    }
}

#[async_trait]
impl Announcer for Announce {
    async fn announce(&self, announcements: &[Announcement]) -> Vec<Result<(), String>> {
        let deadline = Instant::now() + PATIENCE;
        let fifo = self.target.is_fifo();
        let entries: Vec<_> = announcements.iter().map(|announcement| Entry::new(announcement, fifo)).collect();
        let calls: Vec<_> = batches(&entries).into_iter().map(|batch| self.publish(batch, deadline)).collect();
        let outcomes: Vec<Outcomes> = stream::iter(calls).buffered(CONCURRENT_CALLS).collect().await;
        let tell = |failure: Failure| format!("publish to {}: {}", self.target, failure.why);
        outcomes.into_iter().flatten().map(|outcome| outcome.map_err(tell)).collect()
    }
}
