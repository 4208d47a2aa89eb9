//! Calls for many messages: ten at a time, some calls at once, what failed through no fault of ours once more, one
//! deadline over all.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use taskwatch_sqs_message::CallError;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::{Action, is_throttling, words};

/// How many calls run at once.
pub const CONCURRENT_CALLS: usize = 4;

/// Most messages of one call: the limit of SQS.
const MAX_ENTRIES: usize = 10;

/// Most bytes of a call with several messages. Since August 2025 it may be four times that, but not on every queue.
const MAX_BYTES: usize = 262_144;

/// How often an entry is sent at most.
const ROUNDS: u32 = 3;

/// Before the second round, with jitter; then twice that.
const PAUSE: Duration = Duration::from_millis(100);

/// One kind of call. Messages are named by their places in the caller's list.
#[async_trait]
pub(crate) trait Call: Sync {
    /// As a policy names it.
    const ACTION: Action;

    /// What a message counts toward the size of a call.
    fn bytes(&self, place: usize) -> usize;

    /// One call with these messages: at most ten. `Err` when it failed as a whole.
    async fn call(&self, places: &[usize]) -> Result<Answer, CallError>;
}

/// What the answer to a call says.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    done: Vec<String>,
    failed: Vec<(String, EntryFailure)>,
}

#[derive(Debug)]
struct EntryFailure {
    code: String,
    message: Option<String>,
    /// The same once more would fail again.
    refused: bool,
}

impl Answer {
    pub(crate) fn done(&mut self, id: &str) {
        self.done.push(id.to_owned());
    }

    pub(crate) fn failed(&mut self, id: &str, code: &str, message: Option<&str>, refused: bool) {
        let refused = refused && !is_throttling(code);
        self.failed.push((
            id.to_owned(),
            EntryFailure { code: code.to_owned(), message: message.map(str::to_owned), refused },
        ));
    }

    /// Whether it says for certain what became of this message: done, or not done.
    pub(crate) fn is_clear(&self, place: usize) -> bool {
        let id = place.to_string();
        let is_not_done = |failure: &EntryFailure| failure.refused || is_throttling(&failure.code);
        self.done.contains(&id) || self.failed.iter().any(|(failed, why)| *failed == id && is_not_done(why))
    }
}

/// What became of one message in one call.
enum Outcome {
    Done,
    /// Not the sender's fault.
    Again(CallError),
    Failed(CallError),
}

/// Makes calls for `count` messages until all have an outcome or the deadline comes.
pub(crate) async fn run<C: Call>(
    call: &C,
    queue: &str,
    count: usize,
    at_once: usize,
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    let late = || Err(CallError::Unavailable { queue: queue.to_owned(), why: "no answer in time".to_owned() });
    let mut outcomes: Vec<Result<(), CallError>> = (0..count).map(|_| late()).collect();
    let mut open: Vec<usize> = (0..count).collect();
    let hopeless = OnceLock::new();
    for round in 0..ROUNDS {
        if round > 0 && timeout_at(deadline, sleep(pause(round))).await.is_err() {
            break;
        }
        let calls: Vec<_> =
            cut(call, &open).into_iter().map(|places| one(call, queue, places, deadline, &hopeless)).collect();
        let answered: Vec<_> = stream::iter(calls).buffered(at_once).collect().await;
        open.clear();
        for (place, outcome) in answered.into_iter().flatten() {
            outcomes[place] = match outcome {
                Outcome::Done => Ok(()),
                Outcome::Again(error) => {
                    open.push(place);
                    Err(error)
                }
                Outcome::Failed(error) => Err(error),
            };
        }
        if open.is_empty() {
            break;
        }
    }
    outcomes
}

/// Half of it is chance.
fn pause(round: u32) -> Duration {
    PAUSE.saturating_mul(1 << (round - 1)).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Cuts messages into calls, in order: as few as can be had without looking ahead.
fn cut<C: Call>(call: &C, open: &[usize]) -> Vec<Vec<usize>> {
    let mut calls: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for &place in open {
        let more = call.bytes(place);
        match calls.last_mut() {
            Some(last) if last.len() < MAX_ENTRIES && bytes + more <= MAX_BYTES => {
                last.push(place);
                bytes += more;
            }
            _ => {
                calls.push(vec![place]);
                bytes = more;
            }
        }
    }
    calls
}

async fn one<C: Call>(
    call: &C,
    queue: &str,
    places: Vec<usize>,
    deadline: Instant,
    hopeless: &OnceLock<CallError>,
) -> Vec<(usize, Outcome)> {
    let all = |error: &CallError| places.iter().map(|place| (*place, Outcome::Failed(error.clone()))).collect();
    if let Some(error) = hopeless.get() {
        return all(error);
    }
    let late = || CallError::Unavailable { queue: queue.to_owned(), why: "no answer in time".to_owned() };
    // A deadline that has passed still polls what is ready at once; a call is not.
    let answered = if Instant::now() < deadline { timeout_at(deadline, call.call(&places)).await.ok() } else { None };
    let mut answer = match answered.unwrap_or_else(|| Err(late())) {
        Ok(answer) => answer,
        Err(error) => {
            if !matches!(error, CallError::Refused { .. }) {
                let _ = hopeless.set(error.clone());
            }
            return all(&error);
        }
    };
    let outcome = |place: usize| {
        let id = place.to_string();
        if let Some(found) = answer.failed.iter().position(|(failed, _)| *failed == id) {
            let EntryFailure { code, message, refused } = answer.failed.swap_remove(found).1;
            let why = words(Some(&code), message.as_deref());
            if refused {
                return match C::ACTION.sorted(queue, Some(&code), || why.clone()) {
                    CallError::Unavailable { queue, why } => Outcome::Failed(CallError::Refused { queue, why }),
                    sorted => Outcome::Failed(sorted),
                };
            }
            return Outcome::Again(CallError::Unavailable { queue: queue.to_owned(), why });
        }
        if answer.done.contains(&id) {
            return Outcome::Done;
        }
        let why = "the answer does not mention it".to_owned();
        Outcome::Failed(CallError::Unavailable { queue: queue.to_owned(), why })
    };
    places.iter().copied().zip(places.iter().copied().map(outcome).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sized(Vec<usize>);

    #[async_trait]
    impl Call for Sized {
        const ACTION: Action = Action("sqs:SendMessage");

        fn bytes(&self, place: usize) -> usize {
            self.0[place]
        }

        async fn call(&self, _: &[usize]) -> Result<Answer, CallError> {
            Ok(Answer::default())
        }
    }

    fn sizes(bytes: &[usize]) -> Vec<usize> {
        let calls = cut(&Sized(bytes.to_vec()), &(0..bytes.len()).collect::<Vec<_>>());
        assert_eq!(calls.concat(), (0..bytes.len()).collect::<Vec<_>>(), "all of them, in order");
        calls.iter().map(Vec::len).collect()
    }

    #[test]
    fn calls_are_filled_to_the_count_and_to_the_byte() {
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[0; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[MAX_BYTES / 2, MAX_BYTES / 2, 1]), [2, 1]);
        assert_eq!(sizes(&[1, MAX_BYTES + 1, 1]), [1, 1, 1]);
    }

    #[tokio::test]
    async fn silence_is_no_success() {
        let outcomes = run(&Sized(vec![1]), "q", 1, 1, Instant::now() + Duration::from_secs(5)).await;
        assert!(outcomes[0].as_ref().unwrap_err().to_string().contains("does not mention it"), "{outcomes:?}");
    }
}
