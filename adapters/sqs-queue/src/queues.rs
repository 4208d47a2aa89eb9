//! The queues that can be called, and how AWS is reached.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use taskwatch_aws::{AwsSettings, bounded};
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, Poll, PolledQueue, QueueCalls, Received};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::find::Known;
use crate::{dead, delete, receive, visibility};

/// SQS, for those who consume from it: any queues of one region.
pub struct SqsQueues {
    how: How,
    config: OnceCell<SdkConfig>,
    client: OnceCell<Client>,
    polling: OnceCell<Client>,
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
        Self {
            how,
            config: OnceCell::new(),
            client: OnceCell::new(),
            polling: OnceCell::new(),
            known: Known::default(),
        }
    }

    /// Read by whoever needs it first.
    async fn config(&self) -> &SdkConfig {
        let load = || async {
            match &self.how {
                How::Environment(settings) => settings.load().await,
                How::Config(config) => (**config).clone(),
            }
        };
        self.config.get_or_init(load).await
    }

    /// For short calls.
    pub(crate) async fn client(&self) -> &Client {
        self.client.get_or_init(|| async { Client::new(&bounded(self.config().await).build()) }).await
    }

    /// For calls that wait.
    async fn polling(&self) -> &Client {
        self.polling.get_or_init(|| async { receive::client(self.config().await) }).await
    }
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

#[async_trait]
impl PolledQueue for SqsQueues {
    async fn receive(&self, queue: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
        let deadline = Instant::now() + poll.wait + receive::POLL_SLACK;
        let polled = timeout_at(deadline, async {
            let url = self.url(queue).await?;
            receive::poll(self.polling().await, queue, &url, poll).await
        });
        let polled = polled.await.unwrap_or_else(|_| Err(late(queue)));
        if let Err(error) = &polled {
            self.forget_if_gone(queue, &[Err(error.clone())]);
        }
        polled
    }

    async fn delete(&self, queue: &str, receipt_handles: &[&str], within: Duration) -> Vec<Result<(), CallError>> {
        if receipt_handles.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.url(queue)).await;
        match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(url) => {
                let outcomes = delete::delete(self.client().await, queue, &url, receipt_handles, deadline).await;
                self.forget_if_gone(queue, &outcomes);
                outcomes
            }
            Err(error) => vec![Err(error); receipt_handles.len()],
        }
    }
}

fn late(queue: &str) -> CallError {
    CallError::Unavailable { queue: queue.to_owned(), why: "no answer in time".to_owned() }
}
