//! What it takes to call S3: a client, credentials, the place.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::service_config::ServiceConfigKey;
use reqwest::{Client, Url};
use rustls_platform_verifier::BuilderVerifierExt as _;
use taskwatch_aws::chain;
use taskwatch_sqs_message::PayloadError;
use tokio::sync::Mutex;

use crate::place::Place;

/// Time to reach S3, within an attempt.
const CONNECT: Duration = Duration::from_secs(1);

/// Credentials that expire are renewed so long before.
const EARLY: Duration = Duration::from_secs(5 * 60);

pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) place: Place,
    provider: SharedCredentialsProvider,
    /// Those that say when they expire: others cost nothing to get.
    kept: Mutex<Option<Credentials>>,
}

impl Connected {
    pub(crate) fn with(config: &SdkConfig) -> Result<Self, PayloadError> {
        let missing = |what: &str| PayloadError::Unavailable(what.to_owned());
        let region = config.region().ok_or_else(|| missing("the region of S3 is not known; set AWS_REGION"))?;
        let provider = config.credentials_provider().ok_or_else(|| missing("there are no AWS credentials"))?;
        let endpoint = endpoint(config).map(|url| url.parse::<Url>()).transpose();
        // The address may hold a password, so it is not repeated.
        let endpoint =
            endpoint.map_err(|error| missing(&format!("the address given for S3 cannot be read: {error}")))?;
        let place = Place { region: region.to_string(), endpoint };
        Ok(Self { client: client(&place)?, place, provider, kept: Mutex::new(None) })
    }

    pub(crate) async fn credentials(&self) -> Result<rusty_s3::Credentials, PayloadError> {
        let mut kept = self.kept.lock().await;
        let lasts =
            |credentials: &&Credentials| credentials.expiry().is_some_and(|expiry| expiry > SystemTime::now() + EARLY);
        let credentials = match kept.as_ref().filter(lasts) {
            Some(credentials) => credentials.clone(),
            None => {
                let found = self.provider.provide_credentials().await;
                let credentials = found.map_err(|error| {
                    PayloadError::Unavailable(format!("there are no AWS credentials: {}", chain(&error)))
                })?;
                *kept = Some(credentials.clone());
                credentials
            }
        };
        let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        Ok(match credentials.session_token() {
            Some(token) => rusty_s3::Credentials::new_with_token(key, secret, token),
            None => rusty_s3::Credentials::new(key, secret),
        })
    }
}

/// As AWS's own clients find it: set in code, then for S3, then for all services.
fn endpoint(config: &SdkConfig) -> Option<String> {
    let for_all = config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return for_all;
    }
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    key.ok().and_then(|key| config.service_config()?.load_config(key)).or(for_all)
}

fn client(place: &Place) -> Result<Client, PayloadError> {
    let failed =
        |error: &dyn std::fmt::Display| PayloadError::Unavailable(format!("the HTTP client cannot be set up: {error}"));
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    // Without TLS, a machine that has no certificates installed is good enough.
    let tls = if place.is_secure() {
        tls.with_platform_verifier().map_err(|error| failed(&error))?.with_no_client_auth()
    } else {
        tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("taskwatch/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT);
    if place.is_this_machine() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| failed(&error.without_url()))
}
