//! The loop that keeps a source's deliveries, their handlers, their leases and their answers moving.
//!
//! Everything that takes time is a future in one set; the loop takes what is ready, starts what has become possible, and
//! waits. Nothing here is shared between threads, and nothing is polled for.

mod intake;
mod kept;
mod leases;
mod pace;
mod settlement;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, BoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};

use self::kept::Kept;
use self::pace::Pace;
use super::claim::Claims;
use super::run::{Cut, Ended, Finished};
use super::settle::Settlement;
use super::{Attempt, Engine, PAUSES};
use crate::condition::Condition;
use crate::delivery::{Answered, Delivery};
use crate::ports::{EventSource, Lease, SourceError, StoreError};
use crate::stop::Stop;
use crate::task::TaskId;
use crate::time::Timestamp;

/// How long, after the time for draining, answers that are under way are still waited for.
const GRACE: Duration = Duration::from_secs(5);

impl Engine {
    /// Works a source's deliveries until it has no more, or until `stop` is set and what was begun is done with.
    ///
    /// Once `stop` is set nothing new is started; what still runs after [`crate::policy::Policy::drain`], or sooner when
    /// [time is up](Stop::time_is_up), is given back. A store or source that fails is asked again after a growing pause,
    /// and observers are told.
    pub async fn drive(&self, source: &dyn EventSource, stop: &Stop) {
        self.drive_with(source, None, stop).await;
    }

    /// The same, with so many tasks claimed at a time even if not all of them can run at once.
    pub(super) async fn drive_holding(&self, source: &dyn EventSource, hold: usize, stop: &Stop) {
        self.drive_with(source, Some(hold), stop).await;
    }

    async fn drive_with(&self, source: &dyn EventSource, hold: Option<usize>, stop: &Stop) {
        let drive = Drive {
            engine: self,
            source,
            hold,
            pace: Pace::default(),
            watches_turns: false,
            waiting: VecDeque::new(),
            going_on: FuturesUnordered::new(),
            held: BTreeMap::new(),
            running: 0,
            finished: Vec::new(),
            answers: Vec::new(),
            intake: Intake::Idle,
            intake_pause: Pause::default(),
            kept: Kept::default(),
            handling: Condition::good("what does the work can be reached again"),
            handler_pause: Pause::default(),
            receiving: Condition::good("the event source answers again"),
            answering_works: Condition::good("the event source takes answers again"),
            settling: false,
            held_up: Vec::new(),
            settling_held_up: false,
            held_up_pause: Pause::default(),
            one_by_one: 0,
            settle_pause: Pause::default(),
            linger: Linger::No,
            answering: 0,
            extending: false,
            looked: self.parts.clock.now(),
            ending: Ending::No,
        };
        drive.run(stop).await;
    }
}

/// Something that was going on is over.
enum Event {
    Received(Result<Option<Vec<Delivery>>, SourceError>),
    Claimed(Claims),
    Ran { attempt: Attempt, ended: Option<Ended>, at: Timestamp },
    Settled(Settlement),
    SettledHeldUp(Settlement),
    Answered(Result<(), SourceError>),
    Lost(Vec<String>),
    Extended { until: Timestamp, asked: Vec<Lease>, lost: Result<Vec<TaskId>, StoreError> },
    Rang(Alarm),
}

/// What a wait was for.
enum Alarm {
    Gathered,
    Lingered,
    LookAtLeases,
    TurnOver,
    IntakePauseOver,
    HandlerPauseOver,
    SettlePauseOver,
    HeldUpPauseOver,
    Stop,
    TimeIsUp,
    DrainOver,
    GraceOver,
}

/// An attempt from its claim until it is settled.
struct Held {
    deliveries: Vec<Delivery>,
    /// How many of them their source has lost.
    lost: usize,
    lease_until: Timestamp,
    /// While its handler runs.
    abort: Option<AbortHandle>,
    cut: Option<Cut>,
}

/// Where the next deliveries are. There is one intake at a time: it asks for as many as may be held.
#[derive(PartialEq)]
enum Intake {
    Idle,
    /// Waits a moment for more free places.
    Gathering,
    /// Waits a moment for deliveries.
    Resting,
    /// Enough are, or it has waited.
    Gathered,
    Receiving,
    Claiming,
    Ended,
}

#[derive(PartialEq)]
enum Linger {
    No,
    Waiting,
    Over,
}

#[derive(PartialEq)]
enum Ending {
    No,
    /// The stop is set.
    Draining,
    /// And the time for draining has passed.
    Drained,
    /// And what was still under way has had its chance.
    Over,
}

#[derive(Default)]
struct Pause {
    failures: u32,
    on: bool,
}

struct Drive<'a> {
    engine: &'a Engine,
    source: &'a dyn EventSource,
    going_on: FuturesUnordered<BoxFuture<'a, Event>>,
    /// How many tasks may be claimed and not done; `None` leaves it to the pace.
    hold: Option<usize>,
    pace: Pace,
    watches_turns: bool,
    held: BTreeMap<Lease, Held>,
    /// Those of them that have no place to run yet.
    waiting: VecDeque<Attempt>,
    /// How many of them have a handler at work.
    running: usize,
    finished: Vec<Finished>,
    answers: Vec<Answered>,
    intake: Intake,
    intake_pause: Pause,
    kept: Kept,
    handling: Condition,
    handler_pause: Pause,
    receiving: Condition,
    answering_works: Condition,
    settling: bool,
    /// Results whose rows somebody else keeps locked. They hold up no others.
    held_up: Vec<Finished>,
    settling_held_up: bool,
    held_up_pause: Pause,
    /// So many results are settled alone, because together one of them was refused.
    one_by_one: usize,
    settle_pause: Pause,
    linger: Linger,
    answering: usize,
    extending: bool,
    /// When the leases were last looked at.
    looked: Timestamp,
    ending: Ending,
}

impl<'a> Drive<'a> {
    async fn run(mut self, stop: &'a Stop) {
        self.start(stop.wait().map(|()| Event::Rang(Alarm::Stop)));
        self.start(stop.time_is_up().map(|()| Event::Rang(Alarm::TimeIsUp)));
        self.look_at_leases_later();
        self.listen();
        // At once, so that a stop that is set already starts nothing.
        if stop.is_set() {
            self.stop();
        }
        loop {
            self.go_on();
            if self.is_done() {
                return;
            }
            let Some(event) = self.going_on.next().await else { return };
            self.take(event);
            // All that is ready goes into one decision: attempts that end together are settled together.
            while let Some(Some(event)) = self.going_on.next().now_or_never() {
                self.take(event);
            }
        }
    }

    fn is_done(&self) -> bool {
        let no_more = match self.intake {
            Intake::Ended => true,
            Intake::Receiving | Intake::Claiming => self.ending == Ending::Over,
            Intake::Idle | Intake::Gathering | Intake::Resting | Intake::Gathered => self.ending != Ending::No,
        };
        let answered = self.answers.is_empty() && (self.answering == 0 || self.ending == Ending::Over);
        no_more && self.held.is_empty() && answered
    }

    fn start(&self, future: impl Future<Output = Event> + Send + 'a) {
        self.going_on.push(future.boxed());
    }

    fn ring(&self, after: Duration, alarm: Alarm) {
        let clock = &*self.engine.parts.clock;
        self.start(async move {
            clock.sleep(after).await;
            Event::Rang(alarm)
        });
    }

    /// Hears of deliveries that the source has lost.
    fn listen(&self) {
        self.start(self.source.lost().map(Event::Lost));
    }

    fn now(&self) -> Timestamp {
        self.engine.parts.clock.now()
    }

    /// Starts whatever has become possible.
    fn go_on(&mut self) {
        self.receive();
        self.begin_waiting();
        self.watch_turns();
        self.settle();
        self.settle_held_up();
        self.answer();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Received(received) => self.received(received),
            Event::Claimed(claims) => self.claimed(claims),
            Event::Ran { attempt, ended, at } => self.ran(attempt, ended, at),
            Event::Settled(settled) => self.settled(settled),
            Event::SettledHeldUp(settled) => self.settled_held_up(settled),
            Event::Answered(answered) => {
                self.answering -= 1;
                // Unanswered deliveries come again and find their tasks settled.
                self.answering_works.heard(&*self.engine.parts.observer, answered.err());
            }
            Event::Lost(receipts) => {
                self.lost(&receipts);
                self.listen();
            }
            Event::Extended { until, asked, lost } => self.extended(until, &asked, lost),
            Event::Rang(alarm) => self.rang(alarm),
        }
    }

    fn rang(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Gathered if matches!(self.intake, Intake::Gathering | Intake::Resting) => {
                self.intake = Intake::Gathered;
            }
            Alarm::Gathered => {}
            Alarm::Lingered => self.linger = Linger::Over,
            Alarm::LookAtLeases => self.look_at_leases(),
            Alarm::TurnOver => self.give_back_ahead(),
            Alarm::IntakePauseOver => self.intake_pause.on = false,
            Alarm::HandlerPauseOver => self.handler_pause.on = false,
            Alarm::SettlePauseOver => self.settle_pause.on = false,
            Alarm::HeldUpPauseOver => self.held_up_pause.on = false,
            Alarm::Stop => self.stop(),
            Alarm::TimeIsUp => {
                self.stop();
                self.end_drain();
            }
            Alarm::DrainOver => self.end_drain(),
            Alarm::GraceOver => {
                self.ending = Ending::Over;
                self.let_all_go();
            }
        }
    }

    fn stop(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Draining;
            while let Some(attempt) = self.waiting.pop_front() {
                self.untried(attempt);
            }
            self.send_back_kept();
            self.ring(self.engine.parts.policy.drain, Alarm::DrainOver);
        }
    }

    /// Once: either by its own time, or by that of the machine.
    fn end_drain(&mut self) {
        if self.ending == Ending::Draining {
            self.ending = Ending::Drained;
            self.cut_off(Cut::Shutdown, |_, _| true);
            self.ring(GRACE, Alarm::GraceOver);
        }
    }
}

impl Pause {
    fn begin(&mut self, engine: &Engine) -> Duration {
        self.on = true;
        self.failures = self.failures.saturating_add(1);
        // Never in a tight circle, however the dice fall.
        PAUSES.base / 4 + PAUSES.delay(self.failures, &*engine.parts.entropy)
    }
}
