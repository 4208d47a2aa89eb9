//! From the engine's answers to the messages that SQS must not delete.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use taskwatch_core::delivery::{Answer, Answered};
use tracing::{debug, warn};

/// The message ids of a batch, and which of them may be deleted.
pub(crate) struct Verdict {
    /// In the order of the event; one that came twice is here twice.
    ids: Vec<String>,
    /// The first reason why one must be kept.
    first: Option<String>,
    kept: BTreeSet<String>,
}

impl Verdict {
    /// Keeps every message of which not all deliveries were acknowledged: one without an answer is kept.
    pub(crate) fn new(ids: Vec<String>, answers: &[Answered]) -> Self {
        let mut open: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &ids {
            *open.entry(id).or_default() += 1;
        }
        let mut first = None;
        for answered in answers {
            let id = answered.delivery.receipt.as_str();
            if answered.answer == Answer::Acknowledge {
                if let Some(open) = open.get_mut(id) {
                    *open = open.saturating_sub(1);
                }
                continue;
            }
            note(answered);
            first.get_or_insert_with(|| format!("message {id}: {}", answered.why));
        }
        let kept = open.into_iter().filter(|(_, open)| *open > 0).map(|(id, _)| id.to_owned()).collect();
        Self { ids, first, kept }
    }

    /// How many messages there are, and how many of them must be kept.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let all: BTreeSet<&String> = self.ids.iter().collect();
        (all.len(), self.kept.len())
    }

    /// The first reason why a message must be kept.
    pub(crate) fn reason(&self) -> &str {
        self.first.as_deref().unwrap_or("not every message was answered in time")
    }

    /// The typed response: each message that must be kept, once, in the order of the event.
    pub(crate) fn response(mut self) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for id in self.ids {
            if self.kept.remove(&id) {
                response.add_failure(id);
            }
        }
        response
    }
}

/// Dead letters need somebody to look; the rest comes again, and the engine or the ledger has said why.
fn note(Answered { delivery, answer, why }: &Answered) {
    let task = delivery.task().map(taskwatch_core::task::TaskId::get);
    let (message_id, receive_count) = (&delivery.receipt, delivery.receive_count);
    match answer {
        Answer::Acknowledge => {}
        Answer::DeadLetter => warn!(message_id, task, receive_count, "left to the dead-letter queue: {why}"),
        Answer::RetryAfter(_) => debug!(message_id, task, receive_count, "left in the queue: {why}"),
    }
}
