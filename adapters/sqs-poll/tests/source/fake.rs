//! A queue as SQS is one, in tokio's time. It remembers what it was asked, and fails where it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, Poll, PolledQueue, QueueCalls, Received, SqsRecord};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

/// What was asked, with the ids of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Receive(usize),
    Delete(Vec<usize>),
    Hide(Vec<(usize, Duration)>),
    SendDead(Vec<(usize, String)>),
}

/// What is asked, when, and about which message: an error where it is to fail.
type Fault = dyn Fn(&str, Duration, usize) -> Option<CallError> + Send;

pub(crate) struct Fake {
    start: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    messages: BTreeMap<usize, Message>,
    calls: Vec<(Duration, Call)>,
    fault: Option<Box<Fault>>,
    /// How long a call takes.
    latency: Duration,
    last: usize,
    /// So many polls get no answer.
    silent: usize,
    /// Under way, and the most there ever were.
    polls: (usize, usize),
}

struct Message {
    body: String,
    group: Option<String>,
    visible: Instant,
    receives: usize,
}

pub(crate) fn unavailable() -> CallError {
    CallError::Unavailable { queue: "q".into(), why: "no answer".into() }
}

pub(crate) fn refused() -> CallError {
    CallError::Refused { queue: "q".into(), why: "not in flight".into() }
}

/// The message of a handle, and which receive it is of.
fn of_handle(handle: &str) -> (usize, usize) {
    let (id, receive) = handle.split_once('/').unwrap();
    (id.parse().unwrap(), receive.parse().unwrap())
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a call is told by the source.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn send(&self, count: usize) {
        (0..count).for_each(|_| self.send_to(None));
    }

    /// Messages are numbered from 1, and announce the task of that number.
    pub(crate) fn send_to(&self, group: Option<&str>) {
        self.put(group, |id| format!(r#"{{"task_id": {id}}}"#));
    }

    pub(crate) fn put(&self, group: Option<&str>, body: impl Fn(usize) -> String) {
        let mut state = self.state();
        state.last += 1;
        let (id, group) = (state.last, group.map(str::to_owned));
        state.messages.insert(id, Message { body: body(id), group, visible: Instant::now(), receives: 0 });
        self.changed.notify_waiters();
    }

    /// Another consumer gets a message: the handles that others have of it are no longer good.
    pub(crate) fn steal(&self, id: usize) {
        self.state().messages.get_mut(&id).unwrap().receives += 1;
    }

    pub(crate) fn fail(&self, fault: impl Fn(&str, Duration, usize) -> Option<CallError> + Send + 'static) {
        self.state().fault = Some(Box::new(fault));
    }

    pub(crate) fn heal(&self) {
        self.state().fault = None;
    }

    pub(crate) fn take_time(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// From now on, so many polls get no answer.
    pub(crate) fn be_silent(&self, polls: usize) {
        self.state().silent = polls;
    }

    pub(crate) fn calls(&self) -> Vec<(Duration, Call)> {
        self.state().calls.clone()
    }

    /// How many messages each poll asked for.
    pub(crate) fn polls(&self) -> Vec<usize> {
        let polled = |(_, call)| if let Call::Receive(max) = call { Some(max) } else { None };
        self.calls().into_iter().filter_map(polled).collect()
    }

    pub(crate) fn polls_under_way(&self) -> usize {
        self.state().polls.0
    }

    pub(crate) fn most_polls_at_once(&self) -> usize {
        self.state().polls.1
    }

    /// Everything but polls.
    pub(crate) fn others(&self) -> Vec<(Duration, Call)> {
        self.calls().into_iter().filter(|(_, call)| !matches!(call, Call::Receive(_))).collect()
    }

    /// What is left, and in how many seconds each comes again.
    pub(crate) fn left(&self) -> Vec<(usize, u64)> {
        let now = Instant::now();
        self.state().messages.iter().map(|(id, message)| (*id, (message.visible - now).as_secs())).collect()
    }

    async fn called(&self, call: Call) {
        let latency = {
            let mut state = self.state();
            assert!(state.calls.len() < 10_000, "a tight circle");
            state.calls.push((self.start.elapsed(), call));
            state.latency
        };
        sleep(latency).await;
    }

    fn fault(&self, state: &State, action: &str, id: usize) -> Option<CallError> {
        state.fault.as_ref().and_then(|fault| fault(action, self.start.elapsed(), id))
    }

    fn take(&self, poll: Poll) -> Result<Vec<Received>, CallError> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(error) = self.fault(&state, "receive", 0) {
            return Err(error);
        }
        let in_flight = |message: &&Message| message.receives > 0 && message.visible > now;
        let blocked: BTreeSet<String> =
            state.messages.values().filter(in_flight).filter_map(|message| message.group.clone()).collect();
        let is_visible = |message: &Message| {
            message.visible <= now && message.group.as_ref().is_none_or(|group| !blocked.contains(group))
        };
        let visible = state.messages.iter_mut().filter(|(_, message)| is_visible(message)).take(poll.max);
        let receive = |(id, message): (&usize, &mut Message)| {
            message.receives += 1;
            message.visible = now + poll.hidden_for;
            let mut attributes = BTreeMap::from([("ApproximateReceiveCount".to_owned(), message.receives.to_string())]);
            attributes.extend(message.group.clone().map(|group| ("MessageGroupId".to_owned(), group)));
            let record = SqsRecord {
                message_id: Some(id.to_string()),
                receipt_handle: Some(format!("{id}/{}", message.receives)),
                body: Some(message.body.clone()),
                attributes,
                ..SqsRecord::default()
            };
            Received { record, attributes: BTreeMap::new() }
        };
        Ok(visible.map(receive).collect())
    }
}

/// Notes that a poll is over, even where its future is dropped.
struct Polling<'a>(&'a Fake);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.state().polls.0 -= 1;
    }
}

#[async_trait]
impl PolledQueue for Fake {
    async fn receive(&self, _: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
        let _polling = {
            let mut state = self.state();
            state.polls.0 += 1;
            state.polls.1 = state.polls.1.max(state.polls.0);
            Polling(self)
        };
        let until = Instant::now() + poll.wait;
        let (latency, is_silent) = {
            let mut state = self.state();
            assert!(state.calls.len() < 10_000, "a tight circle");
            state.calls.push((self.start.elapsed(), Call::Receive(poll.max)));
            let is_silent = state.silent > 0;
            state.silent -= usize::from(is_silent);
            (state.latency, is_silent)
        };
        if is_silent {
            std::future::pending::<()>().await;
        }
        loop {
            let changed = self.changed.notified();
            let received = self.take(poll)?;
            if !received.is_empty() || Instant::now() >= until {
                sleep(latency).await;
                return Ok(received);
            }
            let now = Instant::now();
            let next = self.state().messages.values().map(|message| message.visible).filter(|at| *at > now).min();
            let _ = timeout_at(next.unwrap_or(until).min(until), changed).await;
        }
    }

    async fn delete(&self, _: &str, handles: &[&str], _: Duration) -> Vec<Result<(), CallError>> {
        self.called(Call::Delete(handles.iter().map(|handle| of_handle(handle).0).collect())).await;
        let mut state = self.state();
        let delete = |handle: &&str| {
            let (id, receive) = of_handle(handle);
            if let Some(error) = self.fault(&state, "delete", id) {
                return Err(error);
            }
            if state.messages.get(&id).is_some_and(|message| message.receives == receive) {
                state.messages.remove(&id);
            }
            Ok(())
        };
        handles.iter().map(delete).collect()
    }
}

#[async_trait]
impl QueueCalls for Fake {
    async fn hide(&self, _: &str, hides: &[Hide], _: Duration) -> Vec<Result<(), CallError>> {
        let asked = hides.iter().map(|hide| (of_handle(&hide.receipt_handle).0, hide.hidden_for)).collect();
        self.called(Call::Hide(asked)).await;
        let now = Instant::now();
        let mut state = self.state();
        let hide = |hide: &Hide| {
            let (id, receive) = of_handle(&hide.receipt_handle);
            if let Some(error) = self.fault(&state, "hide", id) {
                return Err(error);
            }
            let message = state.messages.get_mut(&id);
            let message = message.filter(|message| message.receives == receive && message.visible > now);
            message.ok_or_else(refused)?.visible = now + hide.hidden_for;
            Ok(())
        };
        let outcomes = hides.iter().map(hide).collect();
        self.changed.notify_waiters();
        outcomes
    }

    async fn send_dead(&self, _: &str, letters: &[DeadLetter], _: Duration) -> Vec<Result<(), CallError>> {
        let id = |letter: &DeadLetter| letter.original.message_id.parse::<usize>().unwrap();
        self.called(Call::SendDead(letters.iter().map(|letter| (id(letter), letter.reason.clone())).collect())).await;
        let state = self.state();
        letters.iter().map(|letter| self.fault(&state, "send", id(letter)).map_or(Ok(()), Err)).collect()
    }
}
