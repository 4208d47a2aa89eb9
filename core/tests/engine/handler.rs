//! A handler that does as it is told, and remembers what became of each run.

use std::panic::panic_any;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use taskwatch_core::ports::{AttemptInfo, Clock, Failure, Handler};
use taskwatch_core::task::{Task, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::VirtualClock;

use crate::bench::START;

/// What a run does: takes its time, then ends.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    takes: Duration,
    end: End,
}

#[derive(Debug, Clone)]
enum End {
    Done,
    Fail(Failure),
    Panic,
    /// Before there is a future.
    PanicAtOnce,
}

impl Act {
    pub(crate) const fn done() -> Self {
        Self { takes: Duration::ZERO, end: End::Done }
    }

    pub(crate) const fn takes(takes: Duration) -> Self {
        Self { takes, end: End::Done }
    }

    pub(crate) const fn fail(failure: Failure) -> Self {
        Self { takes: Duration::ZERO, end: End::Fail(failure) }
    }

    pub(crate) const fn panic_after(takes: Duration) -> Self {
        Self { takes, end: End::Panic }
    }

    pub(crate) const fn panic_at_once() -> Self {
        Self { takes: Duration::ZERO, end: End::PanicAtOnce }
    }
}

/// What became of a run. Times are counted from the start of the bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) task: TaskId,
    pub(crate) info: AttemptInfo,
    pub(crate) began: Duration,
    /// When it ended, and whether by itself; `None` while it runs.
    pub(crate) ended: Option<(Duration, bool)>,
}

pub(crate) struct Scripted {
    clock: VirtualClock,
    script: Box<dyn Fn(TaskId, u32) -> Act + Send + Sync>,
    runs: Mutex<Vec<Run>>,
}

impl Scripted {
    pub(crate) fn new(clock: VirtualClock, script: impl Fn(TaskId, u32) -> Act + Send + Sync + 'static) -> Self {
        Self { clock, script: Box::new(script), runs: Mutex::new(Vec::new()) }
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.lock().clone()
    }

    /// The only run there was.
    pub(crate) fn the_run(&self) -> Run {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "the handler ran once: {runs:?}");
        runs.remove(0)
    }

    /// How many are at work now.
    pub(crate) fn running(&self) -> usize {
        self.lock().iter().filter(|run| run.ended.is_none()).count()
    }

    /// The most runs that there were at once.
    pub(crate) fn most_at_once(&self) -> usize {
        let runs = self.runs();
        let at = |time: Duration| {
            runs.iter().filter(|run| run.began <= time && run.ended.is_none_or(|(ended, _)| ended > time)).count()
        };
        runs.iter().map(|run| at(run.began)).max().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self) -> Duration {
        let now: Timestamp = self.clock.now();
        now.since(START)
    }

    fn begin(&self, task: TaskId, info: &AttemptInfo) -> Running<'_> {
        let mut runs = self.lock();
        runs.push(Run { task, info: info.clone(), began: self.since_start(), ended: None });
        Running { handler: self, place: runs.len() - 1, by_itself: false }
    }
}

/// Notices when it is dropped.
struct Running<'a> {
    handler: &'a Scripted,
    place: usize,
    by_itself: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let end = (self.handler.since_start(), self.by_itself);
        self.handler.lock()[self.place].ended = Some(end);
    }
}

// Written out, because an `async fn` could not panic before its future is polled.
impl Handler for Scripted {
    fn handle<'s, 't, 'i, 'f>(&'s self, task: &'t Task, info: &'i AttemptInfo) -> BoxFuture<'f, Result<(), Failure>>
    where
        's: 'f,
        't: 'f,
        'i: 'f,
        Self: 'f,
    {
        let running = self.begin(task.id, info);
        let act = (self.script)(task.id, info.number);
        if matches!(act.end, End::PanicAtOnce) {
            panic_any("no future at all");
        }
        Box::pin(async move {
            let mut running = running;
            self.clock.sleep(act.takes).await;
            running.by_itself = true;
            match act.end {
                End::Done => Ok(()),
                End::Fail(failure) => Err(failure),
                End::Panic | End::PanicAtOnce => panic!("in the middle of {}", 1),
            }
        })
    }
}
