//! One kind of call to queues: what is not allowed is not asked for again, and what fails is said once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use taskwatch_core::ports::Clock;
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, QueueCalls};
use tracing::{debug, error, info, warn};

/// The queue's adapter ends by itself this long before it is cut off.
const EARLY: Duration = Duration::from_millis(100);

/// A kind of call, with what has been learnt about it.
pub(crate) struct Asking {
    calls: Arc<dyn QueueCalls>,
    kind: Kind,
    learnt: Mutex<Learnt>,
}

/// Which.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Hide,
    SendDead,
}

/// By the ARN of the queue.
#[derive(Default)]
struct Learnt {
    /// For the life of the process.
    forbidden: BTreeSet<String>,
    failing: BTreeSet<String>,
}

impl Kind {
    /// What happens instead.
    const fn instead(self) -> &'static str {
        match self {
            Self::Hide => "messages come again after the queue's visibility timeout",
            Self::SendDead => "dead letters are left to the queue's redrive policy",
        }
    }

    const fn works(self) -> &'static str {
        match self {
            Self::Hide => "the visibility of messages can be changed again",
            Self::SendDead => "dead letters can be sent again",
        }
    }
}

impl Asking {
    pub(crate) fn new(calls: Arc<dyn QueueCalls>, kind: Kind) -> Self {
        Self { calls, kind, learnt: Mutex::default() }
    }

    /// Whether it makes sense to ask this queue.
    pub(crate) fn is_allowed(&self, queue: &str) -> bool {
        !self.learnt().forbidden.contains(queue)
    }

    /// Hides messages of a queue.
    pub(crate) async fn hide(&self, queue: &str, hides: &[Hide], clock: &dyn Clock, within: Duration) {
        let call = self.calls.hide(queue, hides, within.saturating_sub(EARLY));
        let outcomes = match select(call, clock.sleep(within)).await {
            Either::Left((outcomes, _)) => outcomes,
            Either::Right(_) => self.late(queue, hides.len()),
        };
        self.learn(queue, &outcomes);
    }

    /// Sends dead letters of a queue; answers for each whether it has been sent.
    pub(crate) async fn send_dead(
        &self,
        queue: &str,
        letters: &[DeadLetter],
        clock: &dyn Clock,
        within: Duration,
    ) -> Vec<bool> {
        let call = self.calls.send_dead(queue, letters, within.saturating_sub(EARLY));
        let mut outcomes = match select(call, clock.sleep(within)).await {
            Either::Left((outcomes, _)) => outcomes,
            Either::Right(_) => self.late(queue, letters.len()),
        };
        // What nobody speaks for has not been sent.
        outcomes.resize_with(letters.len(), || Err(unavailable(queue, "no answer for each letter")));
        self.learn(queue, &outcomes);
        outcomes.iter().map(Result::is_ok).collect()
    }

    fn late(&self, queue: &str, count: usize) -> Vec<Result<(), CallError>> {
        vec![Err(unavailable(queue, "no answer in time")); count]
    }

    fn learn(&self, queue: &str, outcomes: &[Result<(), CallError>]) {
        let (kind, instead) = (self.kind, self.kind.instead());
        let mut worst: Option<&CallError> = None;
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            match error {
                // About one message.
                CallError::Refused { .. } | CallError::TooLarge { .. } => match kind {
                    Kind::Hide => debug!("failed to {error}"),
                    Kind::SendDead => warn!("failed to {error}: left to the queue's redrive policy"),
                },
                CallError::NotAllowed { .. } => worst = Some(error),
                CallError::NoCredentials { .. }
                | CallError::Gone { .. }
                | CallError::NoDeadLetters { .. }
                | CallError::NotSent { .. }
                | CallError::Unavailable { .. } => {
                    worst = worst.or(Some(error));
                }
            }
        }
        let has_changed = {
            let mut learnt = self.learnt();
            match worst {
                Some(CallError::NotAllowed { .. }) => learnt.forbidden.insert(queue.to_owned()),
                Some(_) => learnt.failing.insert(queue.to_owned()),
                None => outcomes.iter().any(Result::is_ok) && learnt.failing.remove(queue),
            }
        };
        match worst {
            _ if !has_changed => {}
            Some(error @ CallError::NotAllowed { action, .. }) => {
                error!(
                    action,
                    queue, "failed to {error}. It is not tried again before the function starts anew: {instead}"
                );
            }
            Some(error) => warn!(queue, "failed to {error}. As long as that lasts, {instead}"),
            None => info!(queue, "recovered: {}", kind.works()),
        }
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        // Nothing panics while it holds it.
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(queue: &str, why: &str) -> CallError {
    CallError::Unavailable { queue: queue.to_owned(), why: why.to_owned() }
}
