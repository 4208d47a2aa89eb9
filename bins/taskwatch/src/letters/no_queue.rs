//! What stands for queues in a program that was built without the way to them.

use taskwatch_settings::Settings;
use taskwatch_sqs_message::{PolledQueue, SendingQueue};

use super::Queue;
use crate::exit::Failed;

/// There are none.
pub(crate) enum Queues {}

impl Queues {
    pub(crate) fn of(_: &Settings) -> Result<Self, Failed> {
        Err(Failed::Usage(
            "this program was built without the feature aws, and knows no queues: build it with `--features aws`"
                .into(),
        ))
    }

    pub(crate) async fn look(&self, _: &str) -> Result<Queue, Failed> {
        match *self {}
    }

    pub(crate) async fn sources_of(&self, _: &str) -> Result<Vec<String>, Failed> {
        match *self {}
    }

    pub(crate) fn polled(&self) -> &dyn PolledQueue {
        match *self {}
    }

    pub(crate) fn sending(&self) -> &dyn SendingQueue {
        match *self {}
    }
}
