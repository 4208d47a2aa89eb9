//! What each answer of S3 means for the message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use taskwatch_s3_payload::S3Payloads;

use crate::faulty::{Faulty, answer};
use crate::scene::{BUCKET, SECRET, TOKEN, config, fetch, payloads_at, refused, unavailable};

async fn at(status: u16, headers: &'static str, body: &'static str) -> (Faulty, S3Payloads) {
    let server = Faulty::answering(status, headers, body).await;
    let payloads = payloads_at(&server.endpoint).await;
    (server, payloads)
}

#[tokio::test]
async fn what_is_final_is_refused_and_asked_for_once() {
    let region = "x-amz-bucket-region: us-east-1\r\n";
    for (status, headers, body, words) in [
        (403, "", "<Error><Code>AccessDenied</Code></Error>", "do not allow s3:GetObject"),
        (403, "", "not XML", "do not allow s3:GetObject"),
        (403, "", "<Code>InvalidObjectState</Code>", "archived"),
        (404, "", "<Code>NoSuchKey</Code>", "no such object (404 NoSuchKey)"),
        (404, "", "", "no such object (404)"),
        (404, "", "<Code>NoSuchBucket</Code>", "no such bucket"),
        (
            301,
            region,
            "<Code>PermanentRedirect</Code>",
            "in the region us-east-1, and payloads are fetched from eu-west-1",
        ),
        (400, region, "<Code>AuthorizationHeaderMalformed</Code>", "in the region us-east-1"),
        (301, "location: http://127.0.0.1:9/b/k\r\n", "", "elsewhere"),
        (400, "", "<Code>KMS.DisabledException</Code>", "does not give it (400)"),
        (400, "", "<Code>InvalidRequest</Code>", "does not give it (400 InvalidRequest)"),
        (206, "", "part", "does not give it (206)"),
    ] {
        let (server, payloads) = at(status, headers, body).await;
        let why = refused(fetch(&payloads, BUCKET, "k").await);
        assert!(why.contains(words), "{status} {body}: {why}");
        assert_eq!(server.asked().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_for_once_more_and_then_left() {
    for (status, body, words) in [
        (500, "<Code>InternalError</Code>", "try again (500 InternalError)"),
        (503, "<Code>SlowDown</Code>", "try again (503 SlowDown)"),
        (502, "<html>", "try again (502)"),
        (429, "", "try again (429)"),
        (400, "<Code>RequestTimeout</Code>", "try again"),
        (400, "<Code>ExpiredToken</Code>", "credentials"),
        (403, "<Code>InvalidAccessKeyId</Code>", "credentials"),
        (403, "<Code>RequestTimeTooSkewed</Code>", "clock"),
        (403, "<Code>AccessDenied</Code><Message>Request has expired</Message>", "clock"),
        (307, "<Code>TemporaryRedirect</Code>", "another address for now"),
    ] {
        let (server, payloads) = at(status, "", body).await;
        let why = unavailable(fetch(&payloads, BUCKET, "k").await);
        assert!(why.contains(words), "{status} {body}: {why}");
        assert_eq!(server.asked().len(), 2, "{status} {body}");
    }
}

#[tokio::test]
async fn an_error_that_has_passed_is_forgotten() {
    let server = Faulty::sending(|before| match before {
        0 => answer(503, "", b"<Code>SlowDown</Code>"),
        _ => answer(200, "", b"here"),
    })
    .await;
    assert_eq!(fetch(&payloads_at(&server.endpoint).await, BUCKET, "k").await.as_deref(), Ok("here"));
}

#[tokio::test]
async fn the_request_is_a_presigned_get_of_the_object_in_path_style() {
    let (server, payloads) = at(200, "", "x").await;
    assert_eq!(fetch(&payloads, BUCKET, "tasks/a b").await.as_deref(), Ok("x"));
    let asked = server.asked().remove(0);
    assert!(asked.starts_with("GET /task-payloads/tasks/a%20b?"), "{asked}");
    assert!(
        asked.contains("X-Amz-Credential=AKID%2F") && asked.contains("%2Feu-west-1%2Fs3%2Faws4_request"),
        "{asked}"
    );
    assert!(asked.contains(&format!("X-Amz-Security-Token={TOKEN}")) && !asked.contains(SECRET), "{asked}");
    let shown = format!("{payloads:?}");
    assert!(shown.contains(BUCKET) && !shown.contains(SECRET) && !shown.contains("AKID"), "{shown}");
}

/// Hands out keys that last for so long, and counts.
#[derive(Debug, Clone)]
struct Lasting(Option<Duration>, Arc<AtomicUsize>);

impl ProvideCredentials for Lasting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.1.fetch_add(1, Ordering::Relaxed);
        future::ProvideCredentials::ready(match self.0 {
            Some(lasting) => Ok(Credentials::new("AKID", SECRET, None, Some(SystemTime::now() + lasting), "test")),
            None => Err(CredentialsError::provider_error("the instance does not answer")),
        })
    }
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_they_expire() {
    for (lasting, times) in [(Duration::from_secs(3600), 1), (Duration::from_secs(60), 3)] {
        let server = Faulty::answering(200, "", "x").await;
        let count = Arc::new(AtomicUsize::new(0));
        let keys = Lasting(Some(lasting), Arc::clone(&count));
        let payloads = S3Payloads::with([BUCKET], &config(&server.endpoint, keys).await);
        for _ in 0..3 {
            assert_eq!(fetch(&payloads, BUCKET, "k").await.as_deref(), Ok("x"));
        }
        assert_eq!(count.load(Ordering::Relaxed), times, "{lasting:?}");
    }
}

#[tokio::test]
async fn missing_credentials_are_no_fault_of_the_message() {
    let server = Faulty::answering(200, "", "x").await;
    let payloads = S3Payloads::with([BUCKET], &config(&server.endpoint, Lasting(None, Arc::default())).await);
    let why = unavailable(fetch(&payloads, BUCKET, "k").await);
    assert!(why.contains("no AWS credentials") && why.contains("the instance does not answer"), "{why}");
    assert!(server.asked().is_empty());
}
