//! How AWS is reached: what is left to the environment, and how long it may take.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::target::Target;

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
    /// For a queue whose URL names no region; `None` leaves it to `AWS_REGION`, the profile or the instance. The region
    /// that a target names comes first.
    pub region: Option<String>,
    /// Where to call instead of AWS, `http://127.0.0.1:4566`. `None` leaves it to `AWS_ENDPOINT_URL`, then to the queue's
    /// URL if that is not one of AWS's own, then to the region.
    pub endpoint: Option<String>,
}

impl AwsSettings {
    /// Reads the environment; calls nobody, unless only the instance knows its region.
    pub(crate) async fn load(&self, target: &Target) -> SdkConfig {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        // Told the region, the SDK does not go and look for one.
        if let Some(region) = target.region.as_ref().or(self.region.as_ref()) {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }
}

/// The same for this target: its region and address, our times.
pub(crate) fn adapted(config: &SdkConfig, target: &Target) -> SdkConfig {
    let mut builder = config.to_builder().timeout_config(timeouts()).retry_config(retries());
    if let Some(region) = &target.region {
        builder = builder.region(Region::new(region.clone()));
    }
    if let (Some(endpoint), None) = (&target.endpoint, config.endpoint_url()) {
        builder = builder.endpoint_url(endpoint);
    }
    builder.build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted_for(target: &str, endpoint: Option<&str>) -> (String, Option<String>) {
        let mut config = SdkConfig::builder().region(Region::new("us-east-1"));
        config.set_endpoint_url(endpoint.map(str::to_owned));
        let adapted = adapted(&config.build(), &target.parse().unwrap());
        assert_eq!(adapted.timeout_config(), Some(&timeouts()));
        assert!(adapted.retry_config().is_some());
        (adapted.region().unwrap().to_string(), adapted.endpoint_url().map(str::to_owned))
    }

    #[test]
    fn the_target_decides_on_the_region_and_the_user_on_the_address() {
        let expect = |region: &str, endpoint: Option<&str>| (region.to_owned(), endpoint.map(str::to_owned));
        let topic = "arn:aws:sns:eu-west-1:123456789012:t";
        assert_eq!(adapted_for(topic, None), expect("eu-west-1", None));
        assert_eq!(adapted_for(topic, Some("http://a")), expect("eu-west-1", Some("http://a")));
        let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q";
        assert_eq!(adapted_for(queue, None), expect("eu-west-1", None));
        let elsewhere = "http://127.0.0.1:4566/000000000000/q";
        assert_eq!(adapted_for(elsewhere, None), expect("us-east-1", Some("http://127.0.0.1:4566")));
        assert_eq!(adapted_for(elsewhere, Some("http://a")), expect("us-east-1", Some("http://a")));
    }

    #[test]
    fn a_call_with_its_retries_ends_before_patience_does() {
        assert!(CONNECT < ATTEMPT && ATTEMPT < CALL && CALL < crate::PATIENCE);
    }
}
