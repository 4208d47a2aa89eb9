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
        let (was_bad, was_forbidden) = {
            let mut state = self.state();
            let was_forbidden = state.forbidden_until.is_some();
            match failure {
                Some(CallError::NotAllowed { .. }) => state.forbidden_until = Some(Instant::now() + FORBIDDEN),
                Some(_) => {}
                None if is_good => state.forbidden_until = None,
                None => return,
            }
            (std::mem::replace(&mut state.is_bad, failure.is_some()), was_forbidden)
        };
        let instead = self.instead;
        match failure {
            // Somebody has to do something about it, whatever else there was before.
            Some(problem @ CallError::NotAllowed { action, .. }) if !was_forbidden => {
                error!(action, "failed to {problem}. Until that is mended, {instead}");
            }
            Some(_) if was_bad => {}
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
        | CallError::NoCredentials { .. }
        | CallError::Gone { .. }
        | CallError::NoDeadLetters { .. }
        | CallError::NotSent { .. }
        | CallError::Unavailable { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn failed(why: &str) -> Result<(), CallError> {
        Err(CallError::Unavailable { queue: "q".to_owned(), why: why.to_owned() })
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_said_once_and_its_end_once() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).without_time().finish();
        let not_allowed = CallError::NotAllowed { action: "sqs:X".into(), queue: "q".into(), why: "no".into() };
        let single = CallError::Refused { queue: "q".into(), why: "this one".into() };
        tracing::subscriber::with_default(log, || {
            let condition = Condition::good("they come later", "they come in time");
            condition.heard(&[Ok(())]);
            condition.heard(&[Ok(()), failed("slow down")]);
            condition.heard(&[failed("slow down, please")]);
            // One message says nothing about the others.
            condition.heard(&[Err(single)]);
            condition.heard(&[Ok(())]);
            condition.heard(&[Ok(())]);
            assert!(condition.is_allowed());
            condition.heard(&[failed("slow down again")]);
            condition.heard(&[Err(not_allowed.clone())]);
            condition.heard(&[Err(not_allowed)]);
            assert!(!condition.is_allowed());
        });
        let lines =
            String::from_utf8(lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default();
        let said: Vec<&str> = lines.lines().map(|line| line.split_once(": ").map_or(line, |(_, said)| said)).collect();
        assert_eq!(
            said,
            [
                "failed to call q: slow down. As long as that lasts, they come later",
                "recovered: they come in time",
                "failed to call q: slow down again. As long as that lasts, they come later",
                "failed to call q: the credentials do not allow sqs:X: no. Until that is mended, they come later \
                 action=\"sqs:X\"",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_allowed_is_tried_again_after_a_while() {
        let condition = Condition::good("a", "b");
        let not_allowed = CallError::NotAllowed { action: "sqs:X".into(), queue: "q".into(), why: "no".into() };
        condition.heard(&[Err(not_allowed)]);
        tokio::time::sleep(FORBIDDEN - Duration::from_secs(1)).await;
        assert!(!condition.is_allowed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(condition.is_allowed());
    }
}
