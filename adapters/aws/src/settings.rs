//! What is not left to the environment.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// What is not left to the environment. Credentials always are: variables, profile, container, instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// `None` leaves it to `AWS_REGION`, the profile or the instance.
    pub region: Option<String>,
    /// Where to call instead of AWS, `http://127.0.0.1:4566`. `None` leaves it to `AWS_ENDPOINT_URL` and its kin for
    /// single services.
    pub endpoint: Option<String>,
}

impl AwsSettings {
    /// In this region, with the rest left to the environment.
    #[must_use]
    pub const fn in_region(region: Option<String>) -> Self {
        Self { region, endpoint: None }
    }

    /// Reads the environment.
    pub async fn load(&self) -> SdkConfig {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        // Told the region, the SDK does not go and look for one.
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.load().await
    }
}
