//! A batch of deliveries as an event source that ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::delivery::{Answered, Delivery};
use crate::ports::{EventSource, SourceError};

pub(super) struct Batch(Mutex<Contents>);

struct Contents {
    /// In reverse order.
    waiting: Vec<Delivery>,
    /// Handed over and not answered yet, by receipt.
    out: BTreeMap<String, Delivery>,
    answers: Vec<Answered>,
}

impl Batch {
    pub(super) fn new(mut deliveries: Vec<Delivery>) -> Self {
        deliveries.reverse();
        Self(Mutex::new(Contents { waiting: deliveries, out: BTreeMap::new(), answers: Vec::new() }))
    }

    /// Every delivery with its answer. What was never received because of a stop, or never answered because the database
    /// did not answer in time, goes back.
    pub(super) fn into_answers(self) -> Vec<Answered> {
        let Contents { waiting, out, mut answers } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.extend(out.into_values().chain(waiting.into_iter().rev()).map(super::claim::given_back));
        answers
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSource for Batch {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let mut contents = self.contents();
        if contents.waiting.is_empty() {
            return Ok(None);
        }
        let rest = contents.waiting.len().saturating_sub(max);
        let mut taken = contents.waiting.split_off(rest);
        taken.reverse();
        contents.out.extend(taken.iter().map(|delivery| (delivery.receipt.clone(), delivery.clone())));
        Ok(Some(taken))
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        let mut contents = self.contents();
        for answered in &answers {
            contents.out.remove(&answered.delivery.receipt);
        }
        contents.answers.extend(answers);
        Ok(())
    }
}
