//! A batch of deliveries as an event source that ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::delivery::{Answered, Delivery};
use crate::ports::{EventSource, SourceError};

pub(super) struct Batch {
    waiting: Mutex<Vec<Delivery>>,
    answers: Mutex<Vec<Answered>>,
}

impl Batch {
    pub(super) fn new(mut deliveries: Vec<Delivery>) -> Self {
        deliveries.reverse();
        Self { waiting: Mutex::new(deliveries), answers: Mutex::new(Vec::new()) }
    }

    pub(super) fn into_answers(self) -> Vec<Answered> {
        let mut answers = self.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What was never received because of a stop goes back as it came.
        let left = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.extend(left.into_iter().rev().map(super::claim::given_back));
        answers
    }
}

#[async_trait]
impl EventSource for Batch {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            return Ok(None);
        }
        let rest = waiting.len().saturating_sub(max);
        let mut taken = waiting.split_off(rest);
        taken.reverse();
        Ok(Some(taken))
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        lock(&self.answers).extend(answers);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
