//! Queues of one's own, messages in them, and what is made of those.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use serde_json::{Value, json};
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{DeadLetter, Hide, Original};
use taskwatch_sqs_queue::SqsQueues;
use taskwatch_testbed::{Aws, Queue};

/// More than any call needs.
pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const SECRET: &str = "geheim";

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// As a program would have loaded it, without its environment.
pub(crate) async fn config(endpoint: &str) -> SdkConfig {
    config_with(endpoint, Credentials::new("test", SECRET, None, None, "test")).await
}

/// The same with keys from elsewhere.
pub(crate) async fn config_with(endpoint: &str, keys: impl ProvideCredentials + 'static) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(aws().region()))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        // Replaced by the crate's own.
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .load()
        .await
}

pub(crate) async fn queues() -> SqsQueues {
    SqsQueues::with(&config(aws().endpoint()).await)
}

/// A queue whose messages go to the other one.
pub(crate) fn pair(end: &str) -> (Queue, Queue) {
    let name = |beginning| format!("{}{end}", Aws::unique(beginning));
    let dead = aws().create_queue(&name("dead"), &[]).unwrap();
    let source = aws().create_queue_before(&name("tasks"), &dead, 100, &[("VisibilityTimeout", "600")]).unwrap();
    (source, dead)
}

pub(crate) fn send(queue: &Queue, body: &str, more: Value) {
    let mut request = json!({ "QueueUrl": queue.url, "MessageBody": body });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    aws().sqs("SendMessage", &request).unwrap();
}

/// So many messages, all of them in flight.
pub(crate) fn received(queue: &Queue, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = aws().receive(queue, 10, Duration::from_secs(5)).unwrap();
        assert!(!some.is_empty(), "{} of {count}", all.len());
        all.extend(some);
    }
    all
}

/// What can be received right now.
pub(crate) fn visible(queue: &Queue) -> Vec<Value> {
    aws().receive(queue, 10, Duration::ZERO).unwrap()
}

pub(crate) fn handle(message: &Value) -> String {
    message["ReceiptHandle"].as_str().unwrap().to_owned()
}

pub(crate) fn hide(message: &Value, hidden_for: Duration) -> Hide {
    Hide { receipt_handle: handle(message), hidden_for, held: Duration::ZERO }
}

pub(crate) fn original(message: &Value) -> Original {
    Original::from_object(message.as_object().unwrap()).unwrap()
}

pub(crate) fn dead_letter(message: &Value) -> DeadLetter {
    dead_letter_of(original(message))
}

pub(crate) fn dead_letter_of(original: Original) -> DeadLetter {
    let (reason, task) = ("failed for good: never".to_owned(), Some(41.try_into().unwrap()));
    DeadLetter { original, reason, task, at: Timestamp::from_micros(1_763_633_472_345_678) }
}
