//! The queues that can be called, and how AWS is reached.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, QueueCalls};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::find::Known;
use crate::{dead, visibility};

/// A connection, TLS included.
const CONNECT: Duration = Duration::from_secs(1);
/// One attempt of a call.
const ATTEMPT: Duration = Duration::from_secs(2);
/// A call with its retries and the search for credentials.
const CALL: Duration = Duration::from_secs(4);
/// Attempts of a call, the first included.
const ATTEMPTS: u32 = 3;
/// Between the first two of them, with jitter; then twice that.
const BACKOFF: Duration = Duration::from_millis(100);

/// What is not left to the environment. Credentials always are: variables, profile, container, instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// The region of the queues; `None` leaves it to `AWS_REGION`, the profile or the instance.
    pub region: Option<String>,
    /// Where to call instead of AWS, `http://127.0.0.1:4566`. `None` leaves it to `AWS_ENDPOINT_URL_SQS` and
    /// `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
}

/// SQS, for those who consume from it: any queues of one region.
pub struct SqsQueues {
    how: How,
    client: OnceCell<Client>,
    pub(crate) known: Known,
}

enum How {
    Environment(AwsSettings),
    Config(Box<SdkConfig>),
}

impl fmt::Debug for SqsQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueues").field("is_connected", &self.client.initialized()).finish_non_exhaustive()
    }
}

impl SqsQueues {
    /// With the credentials of the environment, which is read at the first call.
    #[must_use]
    pub fn new(settings: AwsSettings) -> Self {
        Self::from(How::Environment(settings))
    }

    /// With a configuration that the program has already loaded; its timeouts and retries are replaced.
    #[must_use]
    pub fn with(config: &SdkConfig) -> Self {
        Self::from(How::Config(Box::new(config.clone())))
    }

    fn from(how: How) -> Self {
        Self { how, client: OnceCell::new(), known: Known::default() }
    }

    /// The client, made by whoever needs it first.
    pub(crate) async fn client(&self) -> &Client {
        self.client
            .get_or_init(|| async {
                let config = match &self.how {
                    How::Environment(settings) => settings.load().await,
                    How::Config(config) => (**config).clone(),
                };
                Client::new(&config.to_builder().timeout_config(timeouts()).retry_config(retries()).build())
            })
            .await
    }
}

impl AwsSettings {
    /// Reads the environment; calls nobody, unless only the instance knows its region.
    async fn load(&self) -> SdkConfig {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF)
}

#[async_trait]
impl QueueCalls for SqsQueues {
    async fn hide(&self, queue: &str, messages: &[Hide], within: Duration) -> Vec<Result<(), CallError>> {
        if messages.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.url(queue)).await;
        match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(url) => {
                let outcomes = visibility::change(self.client().await, queue, &url, messages, deadline).await;
                self.forget_if_gone(queue, &outcomes);
                outcomes
            }
            Err(error) => vec![Err(error); messages.len()],
        }
    }

    async fn send_dead(&self, queue: &str, letters: &[DeadLetter], within: Duration) -> Vec<Result<(), CallError>> {
        if letters.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.dead_letters(queue)).await;
        match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(target) => {
                let outcomes = dead::send(self.client().await, &target, letters, deadline).await;
                self.forget_if_gone(queue, &outcomes);
                outcomes
            }
            Err(error) => vec![Err(error); letters.len()],
        }
    }
}

fn late(queue: &str) -> CallError {
    CallError::Unavailable { queue: queue.to_owned(), why: "no answer in time".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_with_its_retries_has_time_for_more_than_one() {
        assert!(CONNECT < ATTEMPT && ATTEMPT < CALL);
    }
}
