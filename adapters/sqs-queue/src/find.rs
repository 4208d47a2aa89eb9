//! Where queues are: the URL of an ARN, the dead-letter queue of a queue.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use taskwatch_sqs_message::CallError;
use tokio::time::Instant;

use crate::failure::Action;
use crate::look::RedrivePolicy;
use crate::message::is_fifo;
use crate::queues::SqsQueues;

/// How long a redrive policy is remembered, and that there is none.
pub const REMEMBERED: Duration = Duration::from_secs(5 * 60);

const GET_QUEUE_URL: Action = Action("sqs:GetQueueUrl");

/// The dead-letter queue of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) arn: String,
    pub(crate) url: String,
    /// ARN of the queue whose dead letters it takes.
    pub(crate) source: String,
}

impl Target {
    pub(crate) fn is_fifo(&self) -> bool {
        is_fifo(&self.arn)
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By ARN. A queue that is deleted and made again keeps its URL.
    urls: Mutex<HashMap<String, String>>,
    /// By the name the caller uses; `None` where there is none.
    targets: Mutex<HashMap<String, (Instant, Option<Target>)>>,
}

impl SqsQueues {
    /// The URL of a queue given by its ARN, or by its URL.
    pub(crate) async fn url(&self, queue: &str) -> Result<String, CallError> {
        if !queue.starts_with("arn:") {
            return Ok(queue.to_owned());
        }
        if let Some(url) = lock(&self.known.urls).get(queue) {
            return Ok(url.clone());
        }
        let refused = |why: &str| CallError::Refused { queue: queue.to_owned(), why: why.to_owned() };
        let parts: Vec<_> = queue.split(':').collect();
        let [_, _, "sqs", _, account, name] = parts[..] else { return Err(refused("it is not the ARN of a queue")) };
        let call = self.client().await.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
        let found = call.send().await.map_err(|error| GET_QUEUE_URL.failed(queue, &error))?;
        let url = found.queue_url().ok_or_else(|| refused("the answer names no URL"))?;
        lock(&self.known.urls).insert(queue.to_owned(), url.to_owned());
        Ok(url.to_owned())
    }

    /// The dead-letter queue that a queue's redrive policy names.
    pub(crate) async fn dead_letters(&self, queue: &str) -> Result<Target, CallError> {
        let none = || CallError::NoDeadLetters { queue: queue.to_owned() };
        let remembered = lock(&self.known.targets).get(queue).filter(|(at, _)| at.elapsed() < REMEMBERED).cloned();
        if let Some((_, target)) = remembered {
            return target.ok_or_else(none);
        }
        let target = self.ask_dead_letters(queue).await?;
        lock(&self.known.targets).insert(queue.to_owned(), (Instant::now(), target.clone()));
        target.ok_or_else(none)
    }

    async fn ask_dead_letters(&self, queue: &str) -> Result<Option<Target>, CallError> {
        let names = vec![QueueAttributeName::RedrivePolicy, QueueAttributeName::QueueArn];
        let mut found = self.attributes(queue, names).await?;
        let policy = found.remove(&QueueAttributeName::RedrivePolicy);
        let Some(RedrivePolicy { dead_letters: arn, .. }) = policy.as_deref().and_then(RedrivePolicy::parse) else {
            return Ok(None);
        };
        let source = found.remove(&QueueAttributeName::QueueArn).unwrap_or_else(|| queue.to_owned());
        let url = self.url(&arn).await?;
        Ok(Some(Target { arn, url, source }))
    }

    /// What is gone may be elsewhere, or back under another name, next time.
    pub(crate) fn forget_if_gone(&self, queue: &str, outcomes: &[Result<(), CallError>]) {
        if outcomes.iter().any(|outcome| matches!(outcome, Err(CallError::Gone { .. }))) {
            lock(&self.known.urls).remove(queue);
            lock(&self.known.targets).remove(queue);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
