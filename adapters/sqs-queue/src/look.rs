//! `GetQueueAttributes`: what a person wants to know of a queue before anything polls it.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use taskwatch_sqs_message::CallError;

use crate::failure::Action;
use crate::queues::SqsQueues;

pub(crate) const GET_QUEUE_ATTRIBUTES: Action = Action("sqs:GetQueueAttributes");

/// A queue as it is now. SQS counts messages approximately, a minute late at worst.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Its ARN.
    pub arn: String,
    /// Messages that may be received.
    pub visible: u64,
    /// Messages that somebody has received.
    pub hidden: u64,
    /// Messages that are not due yet.
    pub delayed: u64,
    /// When a message is given up, and where it goes; `None` where it comes again until its retention ends.
    pub redrive: Option<RedrivePolicy>,
}

/// A queue's redrive policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    /// ARN of the dead-letter queue.
    #[serde(rename = "deadLetterTargetArn")]
    pub dead_letters: String,
    /// How often a message may be received. The console writes a number; others, a string.
    #[serde(deserialize_with = "number")]
    pub max_receive_count: u32,
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(u32),
        Text(String),
    }
    match Number::deserialize(deserializer)? {
        Number::Number(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl RedrivePolicy {
    /// Out of the attribute's JSON; `None` for one that names no queue.
    pub(crate) fn parse(policy: &str) -> Option<Self> {
        serde_json::from_str(policy).ok().filter(|policy: &Self| !policy.dead_letters.is_empty())
    }
}

impl SqsQueues {
    /// Looks at a queue, by ARN or URL. Takes `sqs:GetQueueAttributes`; nothing is received.
    ///
    /// # Errors
    /// [`CallError`]: it is not there, not to be reached, or not to be looked at.
    pub async fn look(&self, queue: &str) -> Result<QueueState, CallError> {
        use QueueAttributeName as Name;
        let counts = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let names: Vec<_> = [Name::QueueArn, Name::RedrivePolicy].into_iter().chain(counts.clone()).collect();
        let found = self.attributes(queue, names).await?;
        let text = |name: &Name| found.get(name).map(String::as_str);
        let [visible, hidden, delayed] =
            counts.map(|name| text(&name).and_then(|count| count.parse().ok()).unwrap_or_default());
        Ok(QueueState {
            arn: text(&Name::QueueArn).unwrap_or(queue).to_owned(),
            visible,
            hidden,
            delayed,
            redrive: text(&Name::RedrivePolicy).and_then(RedrivePolicy::parse),
        })
    }

    /// These attributes, as far as the queue has them.
    pub(crate) async fn attributes(
        &self,
        queue: &str,
        names: Vec<QueueAttributeName>,
    ) -> Result<HashMap<QueueAttributeName, String>, CallError> {
        let url = self.url(queue).await?;
        let call = self.client().await.get_queue_attributes().queue_url(url).set_attribute_names(Some(names));
        let answer = call.send().await.map_err(|error| GET_QUEUE_ATTRIBUTES.failed(queue, &error))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_consoles_and_programs_write_it() {
        let policy = |receives: &str| format!(r#"{{"deadLetterTargetArn":"arn:d","maxReceiveCount":{receives}}}"#);
        let expected = RedrivePolicy { dead_letters: "arn:d".to_owned(), max_receive_count: 5 };
        assert_eq!(RedrivePolicy::parse(&policy("5")), Some(expected.clone()));
        assert_eq!(RedrivePolicy::parse(&policy("\"5\"")), Some(expected));
        for none in ["", "{}", r#"{"deadLetterTargetArn":"","maxReceiveCount":5}"#, &policy("-1")] {
            assert_eq!(RedrivePolicy::parse(none), None, "{none}");
        }
    }
}
