//! A batch of deliveries as an event source that ends.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use super::claim::given_back;
use crate::delivery::{Answered, Delivery};
use crate::groups::Groups;
use crate::ports::{EventSource, SourceError};

pub(super) struct Batch(Mutex<Contents>);

struct Contents {
    waiting: Groups,
    /// Handed over and not answered yet, by receipt.
    out: BTreeMap<String, Delivery>,
    answers: Vec<Answered>,
    /// Waits for a delivery's turn to come.
    receiver: Option<Waker>,
}

impl Batch {
    pub(super) fn new(deliveries: Vec<Delivery>) -> Self {
        let mut waiting = Groups::default();
        waiting.push(deliveries);
        Self(Mutex::new(Contents { waiting, out: BTreeMap::new(), answers: Vec::new(), receiver: None }))
    }

    /// Every delivery with its answer. What was never received because of a stop, or never answered because the database
    /// did not answer in time, goes back.
    pub(super) fn into_answers(self) -> Vec<Answered> {
        let Contents { mut waiting, out, mut answers, .. } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.extend(out.into_values().chain(waiting.drain()).map(given_back));
        answers
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSource for Batch {
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
        contents.answers.extend(answers);
        contents.answers.extend(blocked);
        if let Some(receiver) = contents.receiver.take() {
            receiver.wake();
        }
        Ok(())
    }
}
