//! A queue that remembers what it was asked and answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, QueueCalls};

use crate::bench::QUEUE;

/// What it was asked, in one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Hide(Vec<Hide>),
    SendDead(Vec<DeadLetter>),
}

/// `None` never answers.
type Script = dyn Fn(&Asked, usize) -> Option<Result<(), CallError>> + Send + Sync;

pub(crate) struct Queue {
    asked: Mutex<Vec<(String, Asked, Duration)>>,
    script: Box<Script>,
}

impl Queue {
    pub(crate) fn willing() -> Arc<Self> {
        Self::answering(|_, _| Some(Ok(())))
    }

    /// Answers the message at this place of a call.
    pub(crate) fn answering(
        script: impl Fn(&Asked, usize) -> Option<Result<(), CallError>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), script: Box::new(script) })
    }

    /// All calls so far, on the one queue that there is.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        assert!(asked.iter().all(|(queue, ..)| queue.starts_with(QUEUE)), "{asked:?}");
        assert!(asked.iter().all(|(.., within)| *within <= Duration::from_secs(3)), "{asked:?}");
        asked.iter().map(|(_, asked, _)| asked.clone()).collect()
    }

    /// What it was asked to hide, in all calls: receipt handles with seconds.
    pub(crate) fn hidden(&self) -> Vec<(String, f64)> {
        let calls = self.asked().into_iter();
        let hides = calls.flat_map(|asked| if let Asked::Hide(hides) = asked { hides } else { Vec::new() });
        let mut all: Vec<_> = hides.map(|hide| (id(&hide.receipt_handle), hide.hidden_for.as_secs_f64())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The letters it was given, in all calls.
    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        let calls = self.asked().into_iter();
        calls.flat_map(|asked| if let Asked::SendDead(letters) = asked { letters } else { Vec::new() }).collect()
    }

    async fn answer(&self, queue: &str, asked: Asked, count: usize, within: Duration) -> Vec<Result<(), CallError>> {
        self.asked.lock().unwrap().push((queue.to_owned(), asked.clone(), within));
        let outcomes: Option<Vec<_>> = (0..count).map(|place| (self.script)(&asked, place)).collect();
        match outcomes {
            Some(outcomes) => outcomes,
            None => std::future::pending().await,
        }
    }
}

/// The message that a receipt handle is of.
fn id(receipt_handle: &str) -> String {
    receipt_handle.strip_prefix("receipt of ").expect("as the bench makes them").to_owned()
}

#[async_trait]
impl QueueCalls for Queue {
    async fn hide(&self, queue: &str, messages: &[Hide], within: Duration) -> Vec<Result<(), CallError>> {
        self.answer(queue, Asked::Hide(messages.to_vec()), messages.len(), within).await
    }

    async fn send_dead(&self, queue: &str, letters: &[DeadLetter], within: Duration) -> Vec<Result<(), CallError>> {
        self.answer(queue, Asked::SendDead(letters.to_vec()), letters.len(), within).await
    }
}
