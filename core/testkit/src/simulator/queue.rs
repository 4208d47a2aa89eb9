//! A queue as SQS is one: at least once, in any order, hidden for a while, dead letters after too many receipts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use taskwatch_core::delivery::{Answer, Answered, Delivery, Subject};
use taskwatch_core::ports::{Clock as _, EventSource, SourceError};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use super::world::lock;
use super::{Scenario, Trouble};
use crate::VirtualClock;

const VISIBILITY: Duration = Duration::from_secs(20);
const MAX_RECEIVE_COUNT: u32 = 10;
const LONG_POLL: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const BATCH: usize = 10;

pub(super) struct Queue {
    clock: VirtualClock,
    trouble: Trouble,
    until: Timestamp,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    messages: BTreeMap<u64, Message>,
    dead: Vec<Option<TaskId>>,
    last: u64,
}

struct Message {
    /// `None` for one that cannot be read.
    task: Option<TaskId>,
    visible: Timestamp,
    received: u32,
}

impl Queue {
    pub(super) fn new(clock: &VirtualClock, scenario: &Scenario, rng: Rng) -> Self {
        Self {
            clock: clock.clone(),
            trouble: scenario.trouble,
            until: clock.now() + scenario.span,
            state: Mutex::new(State { rng, messages: BTreeMap::new(), dead: Vec::new(), last: 0 }),
        }
    }

    pub(super) fn send(&self, task: Option<TaskId>) {
        lock(&self.state).put(task, self.clock.now());
    }

    /// Takes all dead letters out.
    pub(super) fn take_dead(&self) -> Vec<Option<TaskId>> {
        std::mem::take(&mut lock(&self.state).dead)
    }

    fn in_trouble(&self) -> bool {
        self.clock.now() < self.until
    }

    fn fails(&self) -> bool {
        self.in_trouble() && lock(&self.state).rng.f64() < self.trouble.unavailable
    }

    fn take(&self, max: usize) -> Vec<Delivery> {
        let (now, duplicates) = (self.clock.now(), if self.in_trouble() { self.trouble.duplicates } else { 0.0 });
        let state = &mut *lock(&self.state);
        let mut visible: Vec<u64> =
            state.messages.iter().filter(|(_, message)| message.visible <= now).map(|(id, _)| *id).collect();
        state.rng.shuffle(&mut visible);
        let mut deliveries = Vec::new();
        for id in visible.into_iter().take(max.min(BATCH)) {
            let Some(message) = state.messages.get_mut(&id) else { continue };
            message.received += 1;
            if message.received > MAX_RECEIVE_COUNT {
                state.dead.extend(state.messages.remove(&id).map(|message| message.task));
                continue;
            }
            if state.rng.f64() >= duplicates {
                message.visible = now + VISIBILITY;
            }
            deliveries.push(Delivery {
                // A new handle for each receipt: the older ones no longer do anything.
                receipt: format!("{id}/{}", message.received),
                subject: message.task.map_or_else(|| Subject::Unreadable("not a task".to_owned()), Subject::Announced),
                receive_count: message.received,
                trace: None,
                group: None,
            });
        }
        deliveries
    }
}

impl State {
    fn put(&mut self, task: Option<TaskId>, visible: Timestamp) {
        self.last += 1;
        self.messages.insert(self.last, Message { task, visible, received: 0 });
    }

    fn answer(&mut self, answered: &Answered, now: Timestamp) {
        let Some((id, received)) = answered.delivery.receipt.split_once('/') else { return };
        let (Ok(id), Ok(received)) = (id.parse::<u64>(), received.parse::<u32>()) else { return };
        // An old handle is taken, and does nothing.
        let Some(message) = self.messages.get_mut(&id).filter(|message| message.received == received) else { return };
        match answered.answer {
            Answer::RetryAfter(delay) => message.visible = now + delay,
            Answer::Acknowledge => {
                self.messages.remove(&id);
            }
            Answer::DeadLetter => self.dead.extend(self.messages.remove(&id).map(|message| message.task)),
        }
    }
}

#[async_trait]
impl EventSource for Queue {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let until = self.clock.now() + LONG_POLL;
        loop {
            if self.fails() {
                return Err(SourceError("the queue does not answer".to_owned()));
            }
            let deliveries = self.take(max);
            if !deliveries.is_empty() || self.clock.now() >= until {
                return Ok(Some(deliveries));
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        if self.fails() {
            return Err(SourceError("the queue takes no answers".to_owned()));
        }
        let now = self.clock.now();
        let mut state = lock(&self.state);
        answers.iter().for_each(|answered| state.answer(answered, now));
        Ok(())
    }
}
