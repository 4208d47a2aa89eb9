//! Who announces what is added and put back.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "announce")]
pub use taskwatch_announce::LookError;
#[cfg(feature = "announce")]
use taskwatch_announce::{Announce, AnnounceError, AwsSettings, PATIENCE, TargetError};
use taskwatch_core::outbox::{Announcer, Outbox, Relay};
use taskwatch_core::ports::{Clock, Observer};
use taskwatch_settings::Settings;

/// Why nothing can be announced: phrased to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// `announce.target` is neither a topic nor a queue.
    #[cfg(feature = "announce")]
    #[error("{0} (announce.target)")]
    Target(#[from] TargetError),
    /// It cannot be called.
    #[cfg(feature = "announce")]
    #[error("{0} (announce.target)")]
    Announce(#[from] AnnounceError),
    /// The program lacks what is needed.
    #[cfg(not(feature = "announce"))]
    #[error("announce tasks to {0} (announce.target): this program was built without the feature aws")]
    NotBuilt(String),
}

/// Who publishes to `announce.target`; `None` where nothing is to be announced. Nothing is called.
///
/// # Errors
/// [`RelayError`]
#[cfg(feature = "announce")]
pub async fn announce(settings: &Settings) -> Result<Option<Announce>, RelayError> {
    let Some(target) = &settings.announce.target else { return Ok(None) };
    let aws = AwsSettings::in_region(settings.aws.region.clone());
    Ok(Some(Announce::to(target.parse()?, &aws).await?))
}

/// Whoever announces to `announce.target`, known before there is a database.
pub struct Announcing {
    announcer: Arc<dyn Announcer>,
    hidden: Duration,
}

impl Announcing {
    /// As the settings say; `None` where nothing is to be announced. Credentials are those of the environment, and nothing
    /// is called before there is something to announce.
    ///
    /// # Errors
    /// [`RelayError`]
    #[cfg(feature = "announce")]
    pub async fn of(settings: &Settings) -> Result<Option<Self>, RelayError> {
        // Longer than a publication may take, or it would come again at once.
        let with = |announce| Self { announcer: Arc::new(announce), hidden: PATIENCE * 3 };
        Ok(announce(settings).await?.map(with))
    }

    /// As with the feature `announce`, but there is no way to announce anything.
    ///
    /// # Errors
    /// [`RelayError::NotBuilt`] where something is to be announced.
    #[cfg(not(feature = "announce"))]
    pub async fn of(settings: &Settings) -> Result<Option<Self>, RelayError> {
        settings.announce.target.clone().map_or(Ok(None), |target| Err(RelayError::NotBuilt(target)))
    }

    /// The relay between this outbox and the target.
    #[must_use]
    pub fn relay(self, outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Relay {
        Relay::new(outbox, self.announcer, clock, self.hidden).telling(observer)
    }
}

/// [`Announcing::of`] and [`Announcing::relay`] in one.
///
/// # Errors
/// [`RelayError`]
pub async fn relay(
    settings: &Settings,
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Option<Relay>, RelayError> {
    Ok(Announcing::of(settings).await?.map(|announcing| announcing.relay(outbox, clock, observer)))
}
