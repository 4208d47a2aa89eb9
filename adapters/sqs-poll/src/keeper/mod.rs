//! The task that owns every message from its receive to its answer.
//!
//! It takes what has happened, starts whatever has become possible, and waits. Calls are tasks of their own in one set,
//! which ends with it.

mod answers;
mod ending;
mod heartbeat;
mod polls;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::groups::Groups;
use taskwatch_core::ports::SourceError;
use taskwatch_core::stop::Stop;
use taskwatch_sqs_message::Received;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::calls::{Calls, Entry, Letter};
use answers::Gathered;
use heartbeat::Renewed;
use polls::{Demand, Polled, UnderWay};

/// What a receive is answered with.
pub(crate) type Deliveries = Result<Option<Vec<Delivery>>, SourceError>;

/// What the handle asks for.
pub(crate) enum Command {
    Receive { max: usize, reply: oneshot::Sender<Deliveries> },
    Answer { answers: Vec<Answered>, failures: mpsc::UnboundedSender<String> },
    Close(oneshot::Sender<()>),
}

/// What a call has come to.
enum Done {
    Polled(Polled),
    Renewed(Renewed),
    /// So many were deleted, hidden or sent; whoever waits for it has been told.
    Passed(usize),
}

/// A message that is held.
struct Message {
    received: Received,
    group: Option<String>,
    /// When it was received, at the earliest.
    since: Instant,
    /// Until when it is hidden, at least.
    hidden_until: Instant,
    /// When that is to be renewed.
    due: Instant,
    is_renewing: bool,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In `waiting`.
    Here,
    /// With the engine.
    Out,
    /// With the engine, which has been told that others may have it as well.
    Lost,
}

pub(crate) struct Keeper {
    calls: Arc<Calls>,
    commands: mpsc::UnboundedReceiver<Command>,
    losses: mpsc::UnboundedSender<Vec<String>>,
    stop: Stop,
    /// Every message, by receipt.
    held: HashMap<String, Message>,
    /// Those that nobody has taken yet.
    waiting: Groups,
    /// How many are out.
    out: usize,
    /// How many are no longer held, and in calls that delete, hide or send them.
    passing: usize,
    demand: Option<Demand>,
    polls: HashMap<Id, UnderWay>,
    /// The last poll that ended has failed.
    is_failing: bool,
    /// Polls come back full.
    is_flowing: bool,
    /// Until when what is here waits for more.
    gather_until: Option<Instant>,
    poll_again: Instant,
    /// Until when receivers do not poll again that came back too early, with nothing.
    resting: Vec<Instant>,
    /// Nobody's visibility has to be looked at before.
    look_again: Option<Instant>,
    deletes: Gathered<Entry>,
    hides: Gathered<(Duration, Entry)>,
    letters: Gathered<Letter>,
    under_way: JoinSet<Done>,
    /// Since when nothing new is begun.
    ending: Option<Instant>,
    closing: Option<oneshot::Sender<()>>,
}

impl Keeper {
    pub(crate) fn new(
        calls: Arc<Calls>,
        commands: mpsc::UnboundedReceiver<Command>,
        losses: mpsc::UnboundedSender<Vec<String>>,
        stop: Stop,
    ) -> Self {
        Self {
            calls,
            commands,
            losses,
            stop,
            held: HashMap::new(),
            waiting: Groups::default(),
            out: 0,
            passing: 0,
            demand: None,
            polls: HashMap::new(),
            is_failing: false,
            is_flowing: false,
            gather_until: None,
            poll_again: Instant::now(),
            resting: Vec::new(),
            look_again: None,
            deletes: Gathered::default(),
            hides: Gathered::default(),
            letters: Gathered::default(),
            under_way: JoinSet::new(),
            ending: None,
            closing: None,
        }
    }

    /// Until the handle is dropped or has closed it.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut stopped = std::pin::pin!(async move { stop.wait().await }.fuse());
        loop {
            // First, so that nothing is given back that somebody waits for.
            self.hand_over();
            self.look();
            self.poll();
            self.pass_on();
            if self.end() {
                return;
            }
            let alarm = self.next_alarm();
            tokio::select! {
                // In this order: nothing is begun once the stop is set.
                biased;
                () = &mut stopped, if self.ending.is_none() => self.stop(),
                Some(done) = self.under_way.join_next_with_id() => self.done(done),
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                () = async { sleep_until(alarm.unwrap_or_else(Instant::now)).await }, if alarm.is_some() => {}
            }
            // All that is ready goes into one decision.
            while let Ok(command) = self.commands.try_recv() {
                self.command(command);
            }
            while let Some(done) = self.under_way.try_join_next_with_id() {
                self.done(done);
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Receive { max, reply } => self.demand = Some(Demand { max, reply }),
            Command::Answer { answers, failures } => self.answered(answers, &failures),
            Command::Close(reply) => self.close(reply),
        }
    }

    fn done(&mut self, done: Result<(Id, Done), JoinError>) {
        match done {
            Ok((id, Done::Polled(polled))) => self.polled(id, polled),
            Ok((_, Done::Renewed(renewed))) => self.renewed(renewed),
            Ok((_, Done::Passed(count))) => self.passing -= count,
            // The handle says so from now on.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => drop(self.polls.remove(&error.id())),
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        let lingering = [self.deletes.until(), self.hides.until(), self.letters.until()].into_iter().flatten().min();
        let (now, rested) = (Instant::now(), self.resting.iter().min().copied());
        let waits = [Some(self.poll_again), rested].into_iter().flatten().filter(|at| *at > now);
        let polling = self.demand.as_ref().and_then(|_| waits.min());
        let alarms = [self.look_again, lingering, polling, self.next_slow(), self.gather_until, self.end_of_grace()];
        alarms.into_iter().flatten().min()
    }

    fn start(&mut self, call: impl Future<Output = Done> + Send + 'static) -> AbortHandle {
        self.under_way.spawn(call)
    }

    /// Takes a message out, to be passed on.
    fn take(&mut self, receipt: String, failures: Option<&mpsc::UnboundedSender<String>>) -> Option<(Entry, Place)> {
        let Message { received, since, place, .. } = self.held.remove(&receipt)?;
        if place != Place::Here {
            self.out -= 1;
        }
        Some((Entry { receipt, received, since, failures: failures.cloned() }, place))
    }
}
