//! A batch of deliveries as an event source that ends.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use super::claim::given_back;
use crate::delivery::{Answer, Answered, Delivery, Why};
use crate::groups::Groups;
use crate::policy::Policy;
use crate::ports::{EventSource, SourceError};

pub(super) struct Batch<'a> {
    policy: &'a Policy,
    contents: Mutex<Contents>,
}

struct Contents {
    waiting: Groups,
    /// Handed over and not answered yet, by receipt.
    out: BTreeMap<String, Delivery>,
    answers: Vec<Answered>,
    /// Waits for a delivery's turn to come.
    receiver: Option<Waker>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(deliveries: Vec<Delivery>, policy: &'a Policy) -> Self {
        let mut waiting = Groups::default();
        waiting.push(deliveries);
        let contents = Contents { waiting, out: BTreeMap::new(), answers: Vec::new(), receiver: None };
        Self { policy, contents: Mutex::new(contents) }
    }

    /// Every delivery with its answer. What was never received because of a stop, or never answered because the database
    /// did not answer in time, goes back.
    pub(super) fn into_answers(self) -> Vec<Answered> {
        let Contents { mut waiting, out, mut answers, .. } =
            self.contents.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.extend(out.into_values().chain(waiting.drain()).map(given_back));
        answers
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSource for Batch<'_> {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        poll_fn(|context| {
            let mut contents = self.contents();
            if contents.waiting.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let taken = contents.waiting.take(max);
            if taken.is_empty() {
                contents.receiver = Some(context.waker().clone());
                return Poll::Pending;
            }
            contents.out.extend(taken.iter().map(|delivery| (delivery.receipt.clone(), delivery.clone())));
            Poll::Ready(Ok(Some(taken)))
        })
        .await
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        let mut contents = self.contents();
        for answered in &answers {
            contents.out.remove(&answered.delivery.receipt);
        }
        let blocked = contents.waiting.answered(&answers);
        if let Some(why) = database_is_away(&answers) {
            // Whoever waits for this batch pays for the wait: the rest would only be told the same, claim by claim.
            let rest: Vec<Delivery> = contents.waiting.drain().collect();
            let after = |delivery: &Delivery| self.policy.while_down(delivery.receive_count);
            contents.answers.extend(rest.into_iter().map(|delivery| Answered {
                answer: Answer::RetryAfter(after(&delivery)),
                delivery,
                why: why.clone(),
            }));
        }
        contents.answers.extend(answers);
        contents.answers.extend(blocked);
        if let Some(receiver) = contents.receiver.take() {
            receiver.wake();
        }
        Ok(())
    }
}

/// What the database said, where it could be asked about none of these. One row that it refuses is another matter.
fn database_is_away(answers: &[Answered]) -> Option<Why> {
    let failed = |answered: &Answered| matches!(answered.why, Why::StoreFailed(_));
    (!answers.is_empty() && answers.iter().all(failed)).then(|| answers[0].why.clone())
}
