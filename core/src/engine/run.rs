//! Runs one attempt, whatever its handler does.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::future::{Either, FutureExt, select};

use super::{Attempt, Engine};
use crate::ports::{AttemptInfo, Failure};
use crate::stop::Stop;
use crate::time::Timestamp;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    Completed,
    Failed(Failure),
    Panicked(String),
    /// Cut off before it was done, by the engine.
    CutOff,
}

/// An attempt with its end.
pub(super) struct Finished {
    pub(super) attempt: Attempt,
    pub(super) ended: Ended,
    pub(super) at: Timestamp,
}

impl Engine {
    /// Works the attempt until the handler is done, the time limit passes, or `cut_off` is set.
    pub(super) async fn run(&self, attempt: Attempt, cut_off: Stop) -> Finished {
        let limit = self.parts.policy.time_limit;
        let info = AttemptInfo {
            number: attempt.number,
            max: attempt.max,
            deadline: attempt.started + limit,
            idempotency_key: format!("taskwatch-{}", attempt.task.id),
            trace: attempt.trace.clone(),
        };
        let left = info.deadline.since(self.parts.clock.now());
        let ended = {
            let work = AssertUnwindSafe(self.parts.handler.handle(&attempt.task, &info)).catch_unwind();
            let alarm = select(self.parts.clock.sleep(left), Box::pin(cut_off.wait()));
            match select(work, alarm).await {
                Either::Left((Ok(Ok(())), _)) => Ended::Completed,
                Either::Left((Ok(Err(failure)), _)) => Ended::Failed(failure),
                Either::Left((Err(panic), _)) => Ended::Panicked(message(&*panic)),
                Either::Right((Either::Left(_), _)) => {
                    Ended::Failed(Failure::retry(format!("timed out after {limit:?}")))
                }
                Either::Right((Either::Right(_), _)) => Ended::CutOff,
            }
        };
        Finished { attempt, ended, at: self.parts.clock.now() }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("no message"))
}
