//! The instance metadata service, version 2.

use std::env;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::imds::client::Client;
use aws_config::imds::client::error::ImdsError;
use aws_config::provider_config::ProviderConfig;
use taskwatch_aws::chain;

/// A connection, and an answer: it is as near as the next process.
const WAIT: Duration = Duration::from_secs(1);
/// A question with the token that it takes, asked once more where the service failed.
const CALL: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 2;

/// What can be asked about the instance.
#[async_trait]
pub(crate) trait Metadata: Send + Sync {
    /// What there is under `latest/meta-data/`; `None` if there is nothing.
    async fn get(&self, path: &str) -> Result<Option<String>, AskError>;
}

/// Why there is no answer; to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ask the instance metadata for {path}: {why}")]
pub(crate) struct AskError {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// The service that the environment names, or the one of every instance.
#[derive(Debug)]
pub(crate) struct Imds(Client);

impl Imds {
    /// `None` if the environment does not want it asked.
    pub(crate) fn of_environment() -> Option<Self> {
        // As the SDK has it for credentials.
        let disabled = env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        (!disabled).then(|| Self(client().build()))
    }
}

fn client() -> aws_config::imds::client::Builder {
    // Plain and without a proxy: it is not reached in any other way.
    let http = aws_smithy_http_client::Builder::new().build_http();
    Client::builder()
        .configure(&ProviderConfig::default().with_http_client(http))
        .connect_timeout(WAIT)
        .read_timeout(WAIT)
        .operation_attempt_timeout(WAIT * 2)
        .operation_timeout(CALL)
        .max_attempts(ATTEMPTS)
}

#[async_trait]
impl Metadata for Imds {
    async fn get(&self, path: &str) -> Result<Option<String>, AskError> {
        match self.0.get(format!("/latest/meta-data/{path}")).await {
            Ok(found) => Ok(Some(found.as_ref().trim().to_owned())),
            Err(ImdsError::ErrorResponse(answer)) if answer.response().status().as_u16() == 404 => Ok(None),
            Err(error) => Err(AskError { path: path.to_owned(), why: words(&error) }),
        }
    }
}

/// Its own words would show the whole answer.
fn words(error: &ImdsError) -> String {
    match error {
        ImdsError::ErrorResponse(answer) => format!("HTTP {}", answer.response().status().as_u16()),
        other => other.source().map_or_else(|| other.to_string(), |source| format!("{other}: {}", chain(source))),
    }
}
