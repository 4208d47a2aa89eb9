//! The queues that can be called, and how AWS is reached.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use taskwatch_aws::AwsSettings;
use taskwatch_sqs_message::{
    CallError, DeadLetter, Hide, Outgoing, Poll, PolledQueue, QueueCalls, Received, SendingQueue,
};
use tokio::time::{Instant, timeout_at};

use crate::find::Known;
use crate::session::{How, Sessions};
use crate::{dead, delete, receive, send, visibility};

/// SQS, for those who consume from it or send to it: any queues of one region.
pub struct SqsQueues {
    sessions: Sessions,
    pub(crate) known: Known,
}

impl fmt::Debug for SqsQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueues").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl SqsQueues {
    /// With the credentials of the environment, which is read at the first call, and anew whenever they are no good.
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
        Self { sessions: Sessions::new(how), known: Known::default() }
    }

    /// For short calls.
    pub(crate) async fn client(&self) -> Client {
        self.sessions.client().await
    }

    /// Draws the conclusions for further calls.
    pub(crate) fn heed(&self, queue: &str, outcomes: &[Result<(), CallError>]) {
        self.forget_if_gone(queue, outcomes);
        self.sessions.heed(outcomes);
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
        let outcomes = match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(url) => visibility::change(&self.client().await, queue, &url, messages, deadline).await,
            Err(error) => vec![Err(error); messages.len()],
        };
        self.heed(queue, &outcomes);
        outcomes
    }

    async fn send_dead(&self, queue: &str, letters: &[DeadLetter], within: Duration) -> Vec<Result<(), CallError>> {
        if letters.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.dead_letters(queue)).await;
        let outcomes = match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(target) => dead::send(&self.client().await, &target, letters, deadline).await,
            Err(error) => vec![Err(error); letters.len()],
        };
        self.heed(queue, &outcomes);
        outcomes
    }
}

#[async_trait]
impl PolledQueue for SqsQueues {
    async fn receive(&self, queue: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
        let deadline = Instant::now() + poll.wait + receive::POLL_SLACK;
        let polled = timeout_at(deadline, async {
            let url = self.url(queue).await?;
            receive::poll(&self.sessions.polling().await, queue, &url, poll).await
        });
        let polled = polled.await.unwrap_or_else(|_| Err(late(queue)));
        if let Err(error) = &polled {
            self.heed(queue, &[Err(error.clone())]);
        }
        polled
    }

    async fn delete(&self, queue: &str, receipt_handles: &[&str], within: Duration) -> Vec<Result<(), CallError>> {
        if receipt_handles.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.url(queue)).await;
        let outcomes = match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(url) => delete::delete(&self.client().await, queue, &url, receipt_handles, deadline).await,
            Err(error) => vec![Err(error); receipt_handles.len()],
        };
        self.heed(queue, &outcomes);
        outcomes
    }
}

#[async_trait]
impl SendingQueue for SqsQueues {
    async fn send(&self, queue: &str, messages: &[Outgoing], within: Duration) -> Vec<Result<(), CallError>> {
        if messages.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + within;
        let found = timeout_at(deadline, self.url(queue)).await;
        let outcomes = match found.unwrap_or_else(|_| Err(late(queue))) {
            Ok(url) => send::send(&self.client().await, queue, &url, messages, deadline).await,
            Err(error) => vec![Err(send::unsent(error)); messages.len()],
        };
        self.heed(queue, &outcomes);
        outcomes
    }
}

fn late(queue: &str) -> CallError {
    CallError::Unavailable { queue: queue.to_owned(), why: "no answer in time".to_owned() }
}
