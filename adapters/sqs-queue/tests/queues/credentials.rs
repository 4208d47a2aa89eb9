//! Credentials that are no good are asked for anew, and not all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use taskwatch_sqs_message::{CallError, Hide, QueueCalls};
use taskwatch_sqs_queue::SqsQueues;

use crate::faulty::{Faulty, QUEUE, healthy, refusal};
use crate::scene::{LONG, config_with};

/// Hands out keys that do not say when they expire, and counts them; none at first, if so told.
#[derive(Debug, Clone, Default)]
struct Counted {
    asked: Arc<AtomicUsize>,
    none_at_first: usize,
}

impl ProvideCredentials for Counted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        let provided: provider::Result = if before < self.none_at_first {
            Err(CredentialsError::not_loaded("none yet"))
        } else {
            Ok(Credentials::new(format!("key-{before}"), "secret", None, None, "test"))
        };
        future::ProvideCredentials::ready(provided)
    }
}

async fn hide(queues: &SqsQueues) -> Result<(), CallError> {
    let one = Hide { receipt_handle: "r".to_owned(), hidden_for: Duration::from_secs(9), held: Duration::ZERO };
    queues.hide(QUEUE, &[one], LONG).await.remove(0)
}

/// More than what was read is kept for.
async fn time_passes() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_key_that_has_expired_is_asked_for_anew() {
    let server = Faulty::answering(|before, action, request| match before {
        1..=3 if action != "GetQueueUrl" => refusal(400, "ExpiredToken", "The security token is expired"),
        _ => healthy(action, request),
    });
    let (server, keys) = (server.await, Counted::default());
    let queues = SqsQueues::with(&config_with(&server.endpoint, keys.clone()).await);
    let asked = || keys.asked.load(Ordering::SeqCst);
    hide(&queues).await.unwrap();
    time_passes().await;
    let error = hide(&queues).await.unwrap_err();
    assert!(matches!(&error, CallError::NoCredentials { .. }) && error.to_string().contains("is expired"), "{error}");
    assert_eq!(asked(), 1);
    hide(&queues).await.unwrap_err();
    assert_eq!(asked(), 2, "anew");
    hide(&queues).await.unwrap_err();
    assert_eq!(asked(), 2, "not each time");
    time_passes().await;
    hide(&queues).await.unwrap();
    assert_eq!(asked(), 2, "it was good after all");
}

#[tokio::test]
async fn credentials_may_come_later() {
    let server = Faulty::answering(|_, action, request| healthy(action, request)).await;
    let keys = Counted { none_at_first: 1, ..Counted::default() };
    let queues = SqsQueues::with(&config_with(&server.endpoint, keys).await);
    let error = hide(&queues).await.unwrap_err();
    assert!(matches!(&error, CallError::NoCredentials { .. }) && error.to_string().contains("none yet"), "{error}");
    assert!(server.asked("GetQueueUrl").is_empty());
    hide(&queues).await.unwrap();
}
