//! The way to queues.

use taskwatch_settings::Settings;
use taskwatch_sqs_message::{PolledQueue, SendingQueue};
use taskwatch_sqs_queue::SqsQueues;

use super::Queue;
use crate::exit::Failed;

/// SQS.
pub(crate) struct Queues(SqsQueues);

impl Queues {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failed> {
        Ok(Self(taskwatch_wiring::queues(settings)))
    }

    /// Looks at a queue, by ARN or URL.
    pub(crate) async fn look(&self, queue: &str) -> Result<Queue, Failed> {
        let state = self.0.look(queue).await?;
        let dead_letters = state.redrive.map(|policy| policy.dead_letters);
        Ok(Queue { arn: state.arn, visible: state.visible, hidden: state.hidden, dead_letters })
    }

    /// The queues that give their dead letters to this one.
    pub(crate) async fn sources_of(&self, queue: &str) -> Result<Vec<String>, Failed> {
        Ok(self.0.sources_of(queue).await?)
    }

    pub(crate) fn polled(&self) -> &dyn PolledQueue {
        &self.0
    }

    pub(crate) fn sending(&self) -> &dyn SendingQueue {
        &self.0
    }
}
