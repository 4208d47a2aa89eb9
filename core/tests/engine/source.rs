//! An event source that does as it is told, and remembers what it was asked and answered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};
use taskwatch_core::ports::{Clock, EventSource, SourceError};
use taskwatch_core::task::TaskId;
use taskwatch_testkit::VirtualClock;

use crate::bench::{Bench, START};
use crate::handler::Scripted;

/// What a source says when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// As many of these as were asked for; the rest the next time.
    Tasks(Vec<TaskId>),
    Nothing,
    Fails,
    /// Nothing, after this long.
    Waits(Duration),
}

pub(crate) struct Asked {
    pub(crate) at: Duration,
    pub(crate) max: usize,
    /// How many handlers were at work.
    pub(crate) running: usize,
}

/// Says one thing after the other, and the last for ever.
pub(crate) struct Feed {
    clock: VirtualClock,
    replies: Mutex<VecDeque<Reply>>,
    ends: bool,
    asked: Mutex<Vec<Asked>>,
    answered: Mutex<Vec<(Duration, Answered)>>,
    deaf: bool,
    keeps: bool,
    /// How often each delivery has come, as the source tells.
    receive_count: u32,
    losses: Mutex<VecDeque<(Duration, Vec<TaskId>)>>,
    handler: Option<Arc<Scripted>>,
}

impl Feed {
    /// Ends after the last reply.
    pub(crate) fn once(clock: &VirtualClock, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            clock: clock.clone(),
            replies: Mutex::new(replies.into_iter().collect()),
            ends: true,
            asked: Mutex::default(),
            answered: Mutex::default(),
            deaf: false,
            keeps: false,
            receive_count: 1,
            losses: Mutex::default(),
            handler: None,
        }
    }

    /// Repeats the last reply.
    pub(crate) fn for_ever(clock: &VirtualClock, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { ends: false, ..Self::once(clock, replies) }
    }

    /// Loses the deliveries of these tasks, so long after it was last asked whether it has lost any.
    pub(crate) fn losing(self, losses: impl IntoIterator<Item = (Duration, Vec<TaskId>)>) -> Self {
        Self { losses: Mutex::new(losses.into_iter().collect()), ..self }
    }

    /// Takes no answers.
    pub(crate) fn deaf(self) -> Self {
        Self { deaf: true, ..self }
    }

    /// Keeps what it has handed over from others.
    pub(crate) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// For the so many-th time.
    pub(crate) fn again(self, receive_count: u32) -> Self {
        Self { receive_count, ..self }
    }

    /// Looks how many handlers are at work when it is asked.
    pub(crate) fn watching(self, bench: &Bench) -> Self {
        Self { handler: Some(Arc::clone(&bench.handler)), ..self }
    }

    pub(crate) fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        lock(&self.asked)
    }

    pub(crate) fn answers(&self) -> Vec<(Answer, Why)> {
        lock(&self.answered).iter().map(|(_, one)| (one.answer.clone(), one.why.clone())).collect()
    }

    /// When which task was answered.
    pub(crate) fn answered_at(&self, task: TaskId) -> Vec<Duration> {
        lock(&self.answered).iter().filter(|(_, one)| one.delivery.task() == Some(task)).map(|(at, _)| *at).collect()
    }

    fn next(&self, max: usize) -> Option<Reply> {
        let mut replies = lock(&self.replies);
        let reply = replies.pop_front()?;
        if let Reply::Tasks(tasks) = &reply
            && tasks.len() > max
        {
            replies.push_front(Reply::Tasks(tasks[max..].to_vec()));
            return Some(Reply::Tasks(tasks[..max].to_vec()));
        }
        if replies.is_empty() && !self.ends {
            replies.push_front(reply.clone());
        }
        Some(reply)
    }
}

#[async_trait]
impl EventSource for Feed {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        let running = self.handler.as_ref().map_or(0, |handler| handler.running());
        self.asked().push(Asked { at: self.clock.now().since(START), max, running });
        let Some(reply) = self.next(max) else { return Ok(None) };
        match reply {
            Reply::Tasks(tasks) => {
                let receive_count = self.receive_count;
                let delivery = |task: TaskId| Delivery { receive_count, ..Delivery::of(task, task.to_string()) };
                Ok(Some(tasks.into_iter().map(delivery).collect()))
            }
            Reply::Nothing => Ok(Some(Vec::new())),
            Reply::Fails => Err(SourceError("the queue does not answer".to_owned())),
            Reply::Waits(time) => {
                self.clock.sleep(time).await;
                Ok(Some(Vec::new()))
            }
        }
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        if self.deaf {
            return Err(SourceError("the queue takes no answers".to_owned()));
        }
        let at = self.clock.now().since(START);
        lock(&self.answered).extend(answers.into_iter().map(|answered| (at, answered)));
        Ok(())
    }

    fn keeps(&self) -> bool {
        self.keeps
    }

    async fn lost(&self) -> Vec<String> {
        let loss = lock(&self.losses).pop_front();
        let Some((after, tasks)) = loss else { return std::future::pending().await };
        self.clock.sleep(after).await;
        tasks.iter().map(ToString::to_string).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
