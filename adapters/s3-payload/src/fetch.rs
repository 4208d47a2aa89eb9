//! The port: which payloads are fetched, and how often that is tried.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use rusty_s3::S3Action as _;
use taskwatch_aws::AwsSettings;
use taskwatch_sqs_message::{PayloadError, Payloads, S3Pointer, excerpt};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::answer::{no_answer, object};
use crate::connect::Connected;
use crate::place::is_plain;

/// Longest time that a fetch takes.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// One attempt, from the connection to the last byte.
const ATTEMPT: Duration = Duration::from_millis(2_400);
/// How often a fetch is tried.
const ATTEMPTS: u32 = 2;
/// In between.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a signature is valid: as far as clocks may be apart for any call of AWS.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// Payloads in buckets that may be read. Any number of fetches may run at once.
pub struct S3Payloads {
    buckets: BTreeSet<String>,
    how: How,
    connected: OnceCell<Connected>,
}

enum How {
    Environment(AwsSettings),
    Config(Box<SdkConfig>),
}

/// Without credentials.
impl fmt::Debug for S3Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Payloads").field("buckets", &self.buckets).finish_non_exhaustive()
    }
}

impl S3Payloads {
    /// From these buckets and no others, with the credentials of the environment, which is read at the first fetch.
    #[must_use]
    pub fn new<B: Into<String>>(buckets: impl IntoIterator<Item = B>, settings: AwsSettings) -> Self {
        Self::from(buckets, How::Environment(settings))
    }

    /// The same with a configuration that the program has already loaded.
    #[must_use]
    pub fn with<B: Into<String>>(buckets: impl IntoIterator<Item = B>, config: &SdkConfig) -> Self {
        Self::from(buckets, How::Config(Box::new(config.clone())))
    }

    fn from<B: Into<String>>(buckets: impl IntoIterator<Item = B>, how: How) -> Self {
        Self { buckets: buckets.into_iter().map(Into::into).collect(), how, connected: OnceCell::new() }
    }

    async fn connected(&self) -> Result<&Connected, PayloadError> {
        let connect = || async {
            match &self.how {
                How::Environment(settings) => Connected::with(&settings.load().await),
                How::Config(config) => Connected::with(config),
            }
        };
        self.connected.get_or_try_init(connect).await
    }

    async fn tries(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        let connected = self.connected().await?;
        let mut tries = 1;
        loop {
            let late = || Err(PayloadError::Unavailable(format!("no answer from S3 within {ATTEMPT:?}")));
            match timeout(ATTEMPT, once(connected, pointer)).await.unwrap_or_else(|_| late()) {
                Err(PayloadError::Unavailable(_)) if tries < ATTEMPTS => {
                    tries += 1;
                    sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }
}

async fn once(connected: &Connected, S3Pointer { bucket, key }: &S3Pointer) -> Result<String, PayloadError> {
    let place = &connected.place;
    let bucket = place.bucket(bucket).map_err(|error| PayloadError::Refused(format!("no URL names it: {error}")))?;
    let credentials = connected.credentials().await?;
    let url = bucket.get_object(Some(&credentials), key).sign(SIGNED_FOR);
    let response = connected.client.get(url).send().await.map_err(|error| no_answer(&error))?;
    object(response, &place.region).await
}

#[async_trait]
impl Payloads for S3Payloads {
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        if !self.buckets.contains(&pointer.bucket) {
            let bucket = excerpt(&pointer.bucket);
            return Err(PayloadError::Refused(format!(
                "payloads are fetched only from buckets that `queue.payload_buckets` lists, and {bucket} is not there"
            )));
        }
        if !is_plain(&pointer.key) {
            return Err(PayloadError::Refused("its key has segments `.` or `..`, which no URL can hold".to_owned()));
        }
        let late = || Err(PayloadError::Unavailable(format!("no answer from S3 within {PATIENCE:?}")));
        timeout(PATIENCE, self.tries(pointer)).await.unwrap_or_else(|_| late())
    }
}
