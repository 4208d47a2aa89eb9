//! Handlers of all kinds, and what became of each run.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use taskwatch_core::ports::{AttemptInfo, Clock as _, Failure, Handler};
use taskwatch_core::task::{Task, TaskId};

use super::world::{POLICY, lock};
use crate::VirtualClock;

/// One run of a handler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) task: TaskId,
    /// Whether it was dropped in the middle.
    pub(super) cut_off: bool,
}

pub(super) struct Work {
    pub(super) clock: VirtualClock,
    pub(super) slow: f64,
    pub(super) runs: Arc<Mutex<Vec<Run>>>,
    pub(super) rng: Mutex<Rng>,
}

impl Work {
    /// Short as a rule; else anything from longer than a renewal to longer than the time limit.
    fn takes(&self) -> Duration {
        let mut rng = lock(&self.rng);
        let part = rng.f64();
        let part = if rng.f64() < self.slow { 0.1 + part } else { part * 0.1 };
        POLICY.time_limit.mul_f64(part)
    }
}

/// Notices when a run is dropped in the middle.
struct Running<'a> {
    runs: &'a Mutex<Vec<Run>>,
    place: usize,
    done: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(self.runs)[self.place].cut_off = !self.done;
    }
}

#[async_trait]
impl Handler for Work {
    async fn handle(&self, task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        let place = {
            let mut runs = lock(&self.runs);
            runs.push(Run { task: task.id, cut_off: false });
            runs.len() - 1
        };
        let mut running = Running { runs: &self.runs, place, done: false };
        self.clock.sleep(self.takes()).await;
        running.done = true;
        let end = lock(&self.rng).u32(0..100);
        match end {
            0..70 => Ok(()),
            70..80 => Err(Failure::retry("try again")),
            80..88 => Err(Failure::retry_after(Duration::from_secs(3), "busy")),
            88..95 => Err(Failure::permanent("never")),
            // Unlike a panic, it does not fill the test's output.
            _ => resume_unwind(Box::new("a panic")),
        }
    }
}
