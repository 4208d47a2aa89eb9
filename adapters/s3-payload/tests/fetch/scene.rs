//! Buckets with objects in them, and who fetches from them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use taskwatch_s3_payload::S3Payloads;
use taskwatch_sqs_message::{PayloadError, Payloads, S3Pointer};
use taskwatch_testbed::Aws;

pub(crate) const BUCKET: &str = "task-payloads";
pub(crate) const SECRET: &str = "geheim";
pub(crate) const TOKEN: &str = "session-token";
pub(crate) const ANNOUNCEMENT: &str = r#"{"task_id": 41, "title": "Water the plants"}"#;

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// A bucket of its own.
pub(crate) fn bucket() -> String {
    let name = Aws::unique("payloads");
    ureq::put(format!("{}/{name}", aws().endpoint())).send_empty().unwrap();
    name
}

/// Under a key that needs no escapes.
pub(crate) fn put(bucket: &str, key: &str, body: &[u8]) {
    ureq::put(format!("{}/{bucket}/{key}", aws().endpoint())).send(body).unwrap();
}

/// As a program would have loaded it, without its environment.
pub(crate) async fn config(endpoint: &str, keys: impl ProvideCredentials + 'static) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .endpoint_url(endpoint)
        .load()
        .await
}

/// The stand-in's own: it verifies the signatures of presigned URLs.
pub(crate) fn root() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

pub(crate) async fn payloads(buckets: &[&str]) -> S3Payloads {
    S3Payloads::with(buckets.iter().copied(), &config(aws().endpoint(), root()).await)
}

/// From a server of the test's own, with keys that must not be seen.
pub(crate) async fn payloads_at(endpoint: &str) -> S3Payloads {
    let keys = Credentials::new("AKID", SECRET, Some(TOKEN.to_owned()), None, "test");
    S3Payloads::with([BUCKET], &config(endpoint, keys).await)
}

pub(crate) fn pointer(bucket: &str, key: &str) -> S3Pointer {
    S3Pointer { bucket: bucket.to_owned(), key: key.to_owned() }
}

pub(crate) async fn fetch(payloads: &S3Payloads, bucket: &str, key: &str) -> Result<String, PayloadError> {
    let fetched = payloads.fetch(&pointer(bucket, key)).await;
    if let Err(error) = &fetched {
        let words = error.to_string();
        for secret in [SECRET, TOKEN, "AKID", "X-Amz", "Signature="] {
            assert!(!words.contains(secret), "{words}");
        }
        assert!(words.len() < 400 && !words.contains('\n'), "{words}");
    }
    fetched
}

pub(crate) fn refused(fetched: Result<String, PayloadError>) -> String {
    match fetched {
        Err(PayloadError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn unavailable(fetched: Result<String, PayloadError>) -> String {
    match fetched {
        Err(PayloadError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}
