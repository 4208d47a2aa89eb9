//! How long a call may take.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;

/// A connection, TLS included.
pub const CONNECT: Duration = Duration::from_secs(1);
/// One attempt of a call.
pub const ATTEMPT: Duration = Duration::from_secs(2);
/// A call with its retries and the search for credentials.
pub const CALL: Duration = Duration::from_secs(4);
/// Attempts of a call, the first included.
pub const ATTEMPTS: u32 = 3;
/// Between the first two of them, with jitter; then twice that.
const BACKOFF: Duration = Duration::from_millis(100);

/// The same configuration for short calls that somebody waits for: with these bounds, whatever it had.
#[must_use]
pub fn bounded(config: &SdkConfig) -> aws_types::sdk_config::Builder {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF);
    config.to_builder().timeout_config(timeouts.operation_timeout(CALL).build()).retry_config(retries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_had_a_configuration_gets_these_bounds() {
        let long = TimeoutConfig::builder().operation_timeout(CALL * 100).build();
        let config = SdkConfig::builder().timeout_config(long).build();
        let bounded = bounded(&config).build();
        let timeouts = bounded.timeout_config().unwrap();
        assert_eq!(
            (timeouts.connect_timeout(), timeouts.operation_attempt_timeout(), timeouts.operation_timeout()),
            (Some(CONNECT), Some(ATTEMPT), Some(CALL))
        );
        assert_eq!(bounded.retry_config().map(RetryConfig::max_attempts), Some(ATTEMPTS));
        assert!(CONNECT < ATTEMPT && ATTEMPT < CALL);
    }
}
