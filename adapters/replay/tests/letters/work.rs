//! A handler that does what it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;
use taskwatch_testkit::VirtualClock;

/// How an attempt goes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Succeed,
    Fail(Failure),
    Panic,
    Hang,
}

/// How the attempts go, one after the other; those beyond succeed.
#[derive(Debug, Default)]
pub(crate) struct Script(Mutex<VecDeque<Step>>);

impl Script {
    pub(crate) fn next(&self, step: Step) {
        self.0.lock().unwrap().push_back(step);
    }
}

pub(crate) struct Work {
    pub(crate) script: Arc<Script>,
    pub(crate) clock: VirtualClock,
}

#[async_trait]
impl Handler for Work {
    async fn handle(&self, _task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        use taskwatch_core::ports::Clock as _;
        let step = self.script.0.lock().unwrap().pop_front().unwrap_or(Step::Succeed);
        match step {
            Step::Succeed => Ok(()),
            Step::Fail(failure) => Err(failure),
            Step::Panic => panic!("a bug"),
            Step::Hang => {
                self.clock.sleep(std::time::Duration::from_secs(1_000_000)).await;
                Ok(())
            }
        }
    }
}
