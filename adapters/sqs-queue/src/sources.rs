//! `ListDeadLetterSourceQueues`: whose dead letters a queue takes.

use aws_sdk_sqs::types::QueueAttributeName;
use taskwatch_sqs_message::CallError;

use crate::failure::Action;
use crate::queues::SqsQueues;

const LIST_SOURCES: Action = Action("sqs:ListDeadLetterSourceQueues");

/// Most queues of a page: the limit of SQS.
const PAGE: i32 = 1_000;

impl SqsQueues {
    /// The queues whose redrive policy names this one, given by its ARN or URL: their ARNs, in order; the URL of one from
    /// which no ARN can be told. Takes `sqs:ListDeadLetterSourceQueues`, and where it is given by its URL
    /// `sqs:GetQueueAttributes`.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn sources_of(&self, dead_letter_queue: &str) -> Result<Vec<String>, CallError> {
        let sources = self.list_sources(dead_letter_queue).await;
        if let Err(error) = &sources {
            self.heed(dead_letter_queue, &[Err(error.clone())]);
        }
        sources
    }

    async fn list_sources(&self, dead_letter_queue: &str) -> Result<Vec<String>, CallError> {
        let url = self.url(dead_letter_queue).await?;
        let pages = self.client().await.list_dead_letter_source_queues().queue_url(&url).into_paginator();
        let urls: Vec<String> = pages
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| LIST_SOURCES.failed(dead_letter_queue, &error))?;
        if urls.is_empty() {
            return Ok(urls);
        }
        let arn = if dead_letter_queue.starts_with("arn:") {
            dead_letter_queue.to_owned()
        } else {
            let mut found = self.attributes(dead_letter_queue, vec![QueueAttributeName::QueueArn]).await?;
            found.remove(&QueueAttributeName::QueueArn).unwrap_or_default()
        };
        let mut sources: Vec<String> =
            urls.iter().map(|url| beside(&arn, url).unwrap_or_else(|| url.clone())).collect();
        sources.sort_unstable();
        Ok(sources)
    }
}

/// The ARN of a queue given by its URL, in the region of another: a dead-letter queue is always in that of its sources.
fn beside(arn: &str, url: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (Some("arn"), Some(partition), Some("sqs"), Some(region)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (rest, name) = url.rsplit_once('/')?;
    let account = rest.rsplit('/').next().filter(|account| account.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!name.is_empty() && !account.is_empty()).then(|| format!("arn:{partition}:sqs:{region}:{account}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_told_from_a_url_and_its_neighbours_arn() {
        let dead = "arn:aws-cn:sqs:cn-north-1:123456789012:dead";
        let expected = Some("arn:aws-cn:sqs:cn-north-1:210987654321:tasks.fifo".to_owned());
        assert_eq!(beside(dead, "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/tasks.fifo"), expected);
        assert_eq!(beside(dead, "http://127.0.0.1:4566/210987654321/tasks.fifo"), expected);
        for url in ["", "tasks", "https://sqs/tasks", "https://sqs/1/", "https://sqs//tasks"] {
            assert_eq!(beside(dead, url), None, "{url}");
        }
        assert_eq!(beside("", "https://sqs/210987654321/tasks"), None);
    }
}
