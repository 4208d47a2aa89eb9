//! Says once that calls of a kind fail, and once that they work again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskwatch_sqs_message::CallError;
use tokio::time::Instant;
use tracing::{error, info, warn};

/// For how long calls that are not allowed are not made: a policy may be mended while the worker runs.
const FORBIDDEN: Duration = Duration::from_secs(5 * 60);

/// Whether one kind of call works.
#[derive(Debug)]
pub(crate) struct Condition {
    /// What happens as long as it does not.
    instead: &'static str,
    /// And once it does.
    works: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_bad: bool,
    forbidden_until: Option<Instant>,
}

impl Condition {
    pub(crate) fn good(instead: &'static str, works: &'static str) -> Self {
        Self { instead, works, state: Mutex::default() }
    }

    /// Whether it makes sense to call.
    pub(crate) fn is_allowed(&self) -> bool {
        self.state().forbidden_until.is_none_or(|until| until <= Instant::now())
    }

    /// Takes note of how calls went. What is about single messages is for the caller to tell.
    pub(crate) fn heard(&self, outcomes: &[Result<(), CallError>]) {
        let failure = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find(|error| is_about_all(error));
        let is_good = outcomes.iter().any(Result::is_ok);
        let was_bad = {
            let mut state = self.state();
            match failure {
                Some(CallError::NotAllowed { .. }) => state.forbidden_until = Some(Instant::now() + FORBIDDEN),
                Some(_) => {}
                None if is_good => state.forbidden_until = None,
                None => return,
            }
            std::mem::replace(&mut state.is_bad, failure.is_some())
        };
        let instead = self.instead;
        match failure {
            Some(_) if was_bad => {}
            Some(problem @ CallError::NotAllowed { action, .. }) => {
                error!(action, "failed to {problem}. Until that is mended, {instead}");
            }
            Some(problem) => warn!("failed to {problem}. As long as that lasts, {instead}"),
            None if was_bad => info!("recovered: {}", self.works),
            None => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether other messages would fare the same.
const fn is_about_all(error: &CallError) -> bool {
    match error {
        CallError::Refused { .. } | CallError::TooLarge { .. } => false,
        CallError::NotAllowed { .. }
        | CallError::Gone { .. }
        | CallError::NoDeadLetters { .. }
        | CallError::Unavailable { .. } => true,
    }
}
