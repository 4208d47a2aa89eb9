//! The two engines, with handlers that do as they are told.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::engine::{Engine, Parts as EngineParts};
use taskwatch_core::ports::{AttemptInfo, Entropy, Failure, Handler, Store};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{Task, TaskId};

use super::POLICY;
use super::book::origin;
use super::command::{End, Worker};
use super::outcome::{Outcome, Run, bare};
use crate::turn::give_way;
use crate::{CountingObserver, VirtualClock};

/// An engine with what belongs to it.
pub(super) struct Staff {
    pub(super) by: Worker,
    pub(super) engine: Engine,
    pub(super) observer: Arc<CountingObserver>,
    handler: Arc<Scripted>,
}

impl Staff {
    pub(super) fn new(by: Worker, store: Arc<dyn Store>, clock: &VirtualClock) -> Self {
        let observer = Arc::new(CountingObserver::new());
        let handler = Arc::new(Scripted { clock: clock.clone(), script: Mutex::default() });
        let engine = Engine::new(EngineParts {
            store,
            handler: Arc::clone(&handler) as Arc<dyn Handler>,
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(Dice::of(by)),
            observer: Arc::clone(&observer) as _,
            origin: origin(by),
            policy: POLICY,
        });
        Self { by, engine: engine.expect("the policy works"), observer, handler }
    }

    /// Processes deliveries, with handlers that end like this and take this long.
    pub(super) async fn process(
        &self,
        deliveries: Vec<Delivery>,
        ends: BTreeMap<TaskId, End>,
        takes: Duration,
    ) -> Outcome {
        *self.handler.script() = Script { ends, takes, runs: Vec::new() };
        let answered = self.engine.process(deliveries, &Stop::never()).await;
        self.answered(answered)
    }

    /// Receives deliveries in the moment in which it is told to stop.
    pub(super) async fn give_back(&self, deliveries: Vec<Delivery>) -> Outcome {
        *self.handler.script() = Script::default();
        let answered = self.engine.process(deliveries, &Stop::when(give_way())).await;
        self.answered(answered)
    }

    fn answered(&self, answered: Vec<Answered>) -> Outcome {
        let count = answered.len();
        let answers: BTreeMap<_, _> =
            answered.into_iter().map(|one| (one.delivery.receipt, (one.answer, bare(one.why)))).collect();
        assert_eq!(answers.len(), count, "each delivery is answered once");
        Outcome::Answered(answers, self.runs())
    }

    /// The runs of handlers that nobody has asked for yet.
    pub(super) fn runs(&self) -> Vec<Run> {
        std::mem::take(&mut self.handler.script().runs)
    }
}

/// Chance at its ends: the high half of every draw is all ones or next to nothing, so a backoff is the longest or none;
/// the low half counts, so no lease token comes twice.
struct Dice {
    high: u64,
    drawn: AtomicU64,
}

impl Dice {
    const fn of(by: Worker) -> Self {
        let high = match by {
            Worker::A => 0xFFFF_FFFF_0000_0000,
            Worker::B => 0x0000_0001_0000_0000,
        };
        Self { high, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for Dice {
    fn next_u64(&self) -> u64 {
        // A token drops the lowest bit.
        self.high | (self.drawn.fetch_add(1, Ordering::Relaxed) + 1) << 1
    }
}

/// Does as it is told, at once, and takes down that it ran.
struct Scripted {
    clock: VirtualClock,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    ends: BTreeMap<TaskId, End>,
    takes: Duration,
    runs: Vec<Run>,
}

impl Scripted {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        let (end, takes) = {
            let mut script = self.script();
            script.runs.push((task.id, attempt.number, attempt.max));
            // What nobody has told of is made to need more than one attempt now and then.
            let own = if attempt.number == 1 && task.id.get() % 2 == 0 { End::Retry } else { End::Complete };
            (script.ends.get(&task.id).copied().unwrap_or(own), script.takes)
        };
        self.clock.advance(takes);
        match end {
            End::Complete => Ok(()),
            End::Retry => Err(Failure::retry("not yet")),
            End::RetryAfter(after) => Err(Failure::retry_after(after, "not yet, they say")),
            End::Permanent => Err(Failure::permanent("never")),
            // Without the hook that prints.
            End::Panic => resume_unwind(Box::new("oh no")),
        }
    }
}
