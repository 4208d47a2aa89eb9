//! Runs one attempt, whatever its handler does.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::future::{AbortRegistration, Abortable, Either, FutureExt, select};

use super::{Attempt, Engine};
use crate::ports::{AttemptInfo, Failure, FailureKind};
use crate::time::Timestamp;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    Completed,
    /// Of the kind [`FailureKind::NotBegun`] it is given back like one that was cut off untried.
    Failed(Failure),
    Panicked(String),
    TimedOut(String),
    /// By the engine, before it was done.
    CutOff(Cut),
}

impl Ended {
    /// Nothing was done, because what does the work could not be started or reached.
    pub(super) fn is_not_begun(&self) -> Option<&str> {
        match self {
            Self::Failed(Failure { kind: FailureKind::NotBegun, reason }) => Some(reason),
            _ => None,
        }
    }
}

/// Why the engine did not let an attempt end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It was claimed, but not begun: a stop came first, or the claim took longer than the lease.
    Untried,
    /// It was still running when the time for draining was over.
    Shutdown,
    /// The lease was lost, or could not be renewed in time.
    LeaseOver,
    /// The source could not keep the delivery.
    DeliveryLost,
}

/// An attempt with its end.
pub(super) struct Finished {
    pub(super) attempt: Attempt,
    pub(super) ended: Ended,
    pub(super) at: Timestamp,
}

impl Engine {
    /// Works the attempt until the handler is done or the time limit passes; `None` when it was aborted.
    pub(super) async fn run(&self, attempt: &Attempt, abort: AbortRegistration) -> Option<Ended> {
        let limit = self.parts.policy.time_limit;
        let info = AttemptInfo {
            number: attempt.number,
            max: attempt.max,
            // From now on: one of a large batch may have waited for its place.
            deadline: self.parts.clock.now() + limit,
            // With the time of insertion, so that the task of this number in another database has another key.
            idempotency_key: format!("taskwatch-{}-{}", attempt.task.id, attempt.created.as_micros()),
            trace: attempt.trace.clone(),
        };
        // All of the handler's code runs in here: its call, its polls, and its drop.
        let work = async {
            let work = Abortable::new(self.parts.handler.handle(&attempt.task, &info), abort);
            match select(work, self.parts.clock.sleep(limit)).await {
                Either::Left((Ok(Ok(())), _)) => Some(Ended::Completed),
                Either::Left((Ok(Err(failure)), _)) => Some(Ended::Failed(failure)),
                Either::Left((Err(_aborted), _)) => None,
                Either::Right(_) => Some(Ended::TimedOut(format!("timed out after {limit:?}"))),
            }
        };
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        ended.unwrap_or_else(|panic| Some(Ended::Panicked(message(&*panic))))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("no message"))
}
