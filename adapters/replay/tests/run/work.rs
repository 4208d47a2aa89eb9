//! A handler that does what it is told, and a listener that remembers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::{Task, TaskId};
use taskwatch_replay::run::{Fate, Listener, Told};
use tokio::sync::Notify;

use crate::store::{Fault, Faulty};

/// How an attempt goes.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Fail(Failure),
    /// Has the run stopped, and succeeds.
    Stop,
    /// Has the run stopped, and never ends.
    StopAndHang,
}

/// How the attempts of each task go, one after the other; those beyond succeed.
#[derive(Default)]
pub(crate) struct Script {
    steps: Mutex<HashMap<TaskId, VecDeque<Step>>>,
    ran: Mutex<Vec<i64>>,
    pub(crate) stop: Arc<Notify>,
}

impl Script {
    pub(crate) fn next(&self, task: TaskId, step: Step) {
        self.steps.lock().unwrap().entry(task).or_default().push_back(step);
    }

    /// The attempts since it was asked last, by task.
    pub(crate) fn ran(&self) -> Vec<i64> {
        std::mem::take(&mut self.ran.lock().unwrap())
    }
}

impl Script {
    /// How many [`Self::ran`] would tell.
    pub(crate) fn count(&self) -> usize {
        self.ran.lock().unwrap().len()
    }
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, task: &Task, _attempt: &AttemptInfo) -> Result<(), Failure> {
        self.ran.lock().unwrap().push(task.id.get());
        let step = self.steps.lock().unwrap().get_mut(&task.id).and_then(VecDeque::pop_front);
        match step {
            None => Ok(()),
            Some(Step::Fail(failure)) => Err(failure),
            Some(Step::Stop) => {
                self.stop.notify_one();
                Ok(())
            }
            Some(Step::StopAndHang) => {
                self.stop.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// What was told.
#[derive(Default)]
pub(crate) struct Heard {
    told: Mutex<Vec<Told>>,
    pub(crate) passed_over: Mutex<u64>,
    pub(crate) troubles: Mutex<Vec<String>>,
    /// Is there again from the first that is told on.
    pub(crate) comes_back: Option<Arc<Faulty>>,
}

impl Heard {
    /// By letter: of each, once.
    pub(crate) fn fates(&self) -> BTreeMap<i64, Fate> {
        let mut fates = BTreeMap::new();
        for told in self.told.lock().unwrap().iter() {
            let before = fates.insert(told.number.get(), told.fate.clone());
            assert_eq!(before, None, "told twice: {told:?}");
        }
        fates
    }
}

impl Listener for Heard {
    fn told(&self, told: &Told) {
        self.told.lock().unwrap().push(told.clone());
        if let Some(store) = &self.comes_back {
            store.fail(0..0, Fault::Away);
        }
    }

    fn passed_over(&self, count: u64) {
        *self.passed_over.lock().unwrap() += count;
    }

    fn trouble(&self, what: &str) {
        self.troubles.lock().unwrap().push(what.to_owned());
    }
}
