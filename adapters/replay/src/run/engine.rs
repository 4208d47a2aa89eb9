//! A journal's letters before an engine of this process.

mod answers;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use taskwatch_core::delivery::{Answered, Delivery, Why};
use taskwatch_core::engine::Engine;
use taskwatch_core::ports::{EventSource, Records, SourceError, StoreError};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;
use tokio::sync::Notify;

use super::decide::Decision;
use super::over::Over;
use super::pace::Pace;
use super::plan::{PAGE, Plan, PlanError, Planned, put_back};
use super::told::{Fate, Listener, Told};
use super::turns::Turns;
use crate::journal::{EntryNumber, Journal, Settlement, Source, WorkError};

/// What the names of queues end with that keep an order.
const FIFO: &str = ".fifo";

/// What is settled is noted once it comes to this many letters; whoever goes on after a crash reads it in the ledger.
const NOTED_AT_ONCE: usize = 100;

/// Before the database is asked once more.
const PAUSE: Duration = Duration::from_secs(2);

/// So long a database may be away before nothing is begun any more.
const PATIENCE_WITH_DATABASE: Duration = Duration::from_secs(60);

/// How letters are worked.
#[derive(Debug)]
pub struct Order {
    /// By whom and why, for the ledger.
    pub why: String,
    /// How long a task may have to be waited for: for its next attempt, or for the lease that a killed process left. What
    /// takes longer stays in the journal.
    pub patience: Duration,
    /// How fast.
    pub pace: Pace,
}

/// Why letters could not be worked to the end. Phrased to follow «failed to»; the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody can say what is to be done.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal does not take what was done. What was begun is seen as such by whoever goes on.
    #[error(transparent)]
    Journal(#[from] WorkError),
    /// Failed tasks could not be put back.
    #[error("put tasks back: {0}")]
    PutBack(StoreError),
}

/// The letters that are to run, as an event source.
pub struct JournalSource<'a> {
    journal: &'a Journal,
    engine: &'a Engine,
    records: &'a dyn Records,
    plan: tokio::sync::Mutex<Plan<'a>>,
    order: Order,
    stop: Stop,
    listener: &'a dyn Listener,
    answered: Notify,
    state: Mutex<State>,
    without_database: AtomicU64,
}

#[derive(Default)]
struct State {
    turns: Turns,
    /// Begun, and without an end.
    begun: HashMap<EntryNumber, Begun>,
    settlements: Vec<Settlement>,
    releases: Vec<(EntryNumber, String)>,
    is_exhausted: bool,
    failing_since: Option<Timestamp>,
    /// Since when what does the work cannot be reached.
    unreached_since: Option<Timestamp>,
    /// It could not for too long: nothing more is begun.
    gives_up: bool,
    failure: Option<RunError>,
}

/// A letter under way.
struct Begun {
    told: Told,
    /// How long it has been waited for, in all.
    waited: Duration,
}

impl<'a> JournalSource<'a> {
    /// What `plan` says is to go, for an engine whose source is this. `listener` is told of each letter.
    #[must_use]
    pub fn new(
        journal: &'a Journal,
        plan: Plan<'a>,
        engine: &'a Engine,
        records: &'a dyn Records,
        order: Order,
        stop: Stop,
        listener: &'a dyn Listener,
    ) -> Self {
        let (plan, answered) = (tokio::sync::Mutex::new(plan.at_most(order.pace.in_a_second())), Notify::new());
        let (state, without_database) = (Mutex::default(), AtomicU64::new(0));
        Self { journal, engine, records, plan, order, stop, listener, answered, state, without_database }
    }

    /// Ends the run, once the engine has: what was begun and has no end is free again.
    ///
    /// # Errors
    /// [`RunError`]: the first that stood in the way.
    pub async fn finish(&self) -> Result<(), RunError> {
        let left = {
            let mut state = self.state();
            state.turns = Turns::default();
            std::mem::take(&mut state.begun)
        };
        let why = "it was not its turn before the end";
        for (number, begun) in left {
            self.listener.told(&Told { fate: Fate::Later(why.to_owned(), None), ..begun.told });
            self.state().releases.push((number, why.to_owned()));
        }
        self.note().await?;
        self.state().failure.take().map_or(Ok(()), Err)
    }

    /// How many letters stayed because the database could not be asked or did not take what was to be written.
    pub fn without_database(&self) -> u64 {
        self.without_database.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where a panic could strike.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Brings what is settled and what is given back into the journal.
    async fn note(&self) -> Result<(), WorkError> {
        let (settlements, releases) = {
            let mut state = self.state();
            (std::mem::take(&mut state.settlements), std::mem::take(&mut state.releases))
        };
        if !settlements.is_empty() {
            self.journal.settle(&settlements, self.now()).await?;
        }
        let mut by_reason: HashMap<String, Vec<EntryNumber>> = HashMap::new();
        for (number, why) in releases {
            by_reason.entry(why).or_default().push(number);
        }
        for (why, numbers) in by_reason {
            self.journal.release(&numbers, &why, self.now()).await?;
        }
        Ok(())
    }

    /// Begins another page.
    async fn fill(&self) -> Result<(), RunError> {
        let mut plan = self.plan.lock().await;
        let before = plan.passed();
        let page = plan.next(self.records, self.now()).await?;
        let Some(page) = page else {
            self.state().is_exhausted = true;
            return Ok(());
        };
        let looked_at = plan.passed() - before;
        self.listener.passed_over(looked_at.saturating_sub(page.len() as u64));
        let (mut going, mut settlements) = (Vec::new(), Vec::new());
        for planned in &page {
            match &planned.decision {
                // Beginning counts.
                Decision::Go { .. } => going.push((planned, planned.entry.begins + 1)),
                Decision::Leave(why) => self.listener.told(&Told::of(planned, Fate::Left(why.clone()))),
                decided => {
                    let over = Over::of(planned, decided);
                    over.iter().for_each(|over| self.listener.told(&Told::of(planned, over.fate())));
                    settlements.extend(over.map(|over| over.settlement()));
                }
            }
        }
        self.state().settlements.extend(settlements);
        self.note().await?;
        self.begin(&going).await
    }

    async fn begin(&self, going: &[(&Planned, u32)]) -> Result<(), RunError> {
        let numbers: Vec<_> = going.iter().map(|(planned, _)| planned.entry.number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let edits: Vec<_> =
            going.iter().filter_map(|(planned, _)| Some((planned.entry.number, planned.edited.clone()?))).collect();
        self.journal.edit(&edits, self.now()).await?;
        self.journal.begin(&numbers, self.now()).await?;
        let tasks = put_back(self.journal, &self.order.why, going);
        if let Err(error) = put_back_patiently(self.engine, &tasks, &self.stop, self.listener).await {
            let why = error.to_string();
            self.state().releases.extend(numbers.into_iter().map(|number| (number, why.clone())));
            return Err(RunError::PutBack(error));
        }
        let is_fifo = |planned: &Planned| match self.journal.source() {
            Source::Queue(queue) => queue.ends_with(FIFO),
            // Where nobody knows, an order too much does no harm.
            Source::File(_) => planned.letter.source_queue.as_ref().is_none_or(|queue| queue.ends_with(FIFO)),
        };
        let mut state = self.state();
        for (planned, _) in going {
            let number = planned.entry.number;
            let Ok(task) = planned.letter.task else { continue };
            let delivery = Delivery {
                trace: planned.letter.trace.clone(),
                group: planned.letter.group.clone().filter(|_| is_fifo(planned)),
                ..Delivery::of(task, number.to_string())
            };
            let told = Told::of(planned, Fate::Completed);
            state.begun.insert(number, Begun { told, waited: Duration::ZERO });
            if let Some(behind) = state.turns.push(delivery) {
                self.give_back(&mut state, &behind, &Why::BehindAnother, None);
            }
        }
        Ok(())
    }

    /// As many as may go now.
    async fn go(&self, max: usize) -> Vec<Delivery> {
        let now = self.now();
        let mut batch = Vec::new();
        // Dropped in mid-wait, it is still among those begun.
        let Some(first) = self.taken_turn(now) else { return batch };
        if !self.order.pace.one(self.engine.clock(), &self.stop).await {
            return batch;
        }
        batch.push(first);
        while batch.len() < max {
            let Some(next) = self.taken_turn(now) else { break };
            if !self.order.pace.one_more() {
                self.state().turns.take_back(next);
                break;
            }
            batch.push(next);
        }
        batch
    }

    fn taken_turn(&self, now: Timestamp) -> Option<Delivery> {
        self.state().turns.take(now)
    }

    /// Until something may have changed.
    async fn wait(&self) {
        let due = self.state().turns.next_due();
        let clock = self.engine.clock();
        let due = async {
            match due {
                Some(due) => clock.sleep(due.since(self.now()).max(Duration::from_millis(1))).await,
                None => std::future::pending().await,
            }
        };
        let other = select(self.stop.wait().boxed(), self.answered.notified().boxed());
        let (Either::Left(_) | Either::Right(_)) = select(due.boxed(), other).await;
    }

    /// Whether the database has been away for too long.
    fn is_hopeless(&self, error: RunError) -> Option<SourceError> {
        let now = self.now();
        let mut state = self.state();
        let since = *state.failing_since.get_or_insert(now);
        let may_pass = matches!(&error, RunError::Plan(PlanError::Tasks(_)));
        if may_pass && now.since(since) < PATIENCE_WITH_DATABASE {
            return Some(SourceError(format!("failed to {error}")));
        }
        state.failure = Some(error);
        state.is_exhausted = true;
        None
    }
}

/// Puts tasks back, and waits for a database that is away, for a while.
pub(super) async fn put_back_patiently(
    engine: &Engine,
    tasks: &BTreeMap<TaskId, String>,
    stop: &Stop,
    listener: &dyn Listener,
) -> Result<(), StoreError> {
    let clock = engine.clock();
    let begun = clock.now();
    let mut is_told = false;
    while !tasks.is_empty() {
        let Err(error) = engine.replay_each(tasks).await else { break };
        if clock.now().since(begun) >= PATIENCE_WITH_DATABASE || stop.is_set() {
            return Err(error);
        }
        if !std::mem::replace(&mut is_told, true) {
            listener.trouble(&format!("failed to put tasks back: {error}"));
        }
        clock.sleep(PAUSE).await;
    }
    Ok(())
}

#[async_trait]
impl EventSource for JournalSource<'_> {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        loop {
            if self.stop.is_set() || self.state().gives_up {
                // What has not been handed over is given back at the end.
                return Ok(None);
            }
            let (wants_more, many_noted) = {
                let state = self.state();
                let fits = state.turns.ready() < max && state.turns.len() < 10 * PAGE;
                (fits && !state.is_exhausted, state.settlements.len() + state.releases.len() >= NOTED_AT_ONCE)
            };
            let filled = match (wants_more, many_noted) {
                (true, _) => self.fill().await,
                (false, true) => self.note().await.map_err(RunError::from),
                (false, false) => Ok(()),
            };
            match filled {
                Ok(()) => self.state().failing_since = None,
                Err(error) => {
                    if let Some(passing) = self.is_hopeless(error) {
                        return Err(passing);
                    }
                }
            }
            let batch = self.go(max.max(1)).await;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
            let (is_exhausted, is_over) = {
                let state = self.state();
                (state.is_exhausted, state.begun.is_empty())
            };
            match (is_exhausted, is_over) {
                (true, true) => return Ok(None),
                (true, false) => self.wait().await,
                (false, _) if self.state().turns.len() >= 10 * PAGE => self.wait().await,
                (false, _) => {}
            }
        }
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        for answered in answers {
            self.take(answered);
        }
        self.answered.notify_one();
        Ok(())
    }

    fn keeps(&self) -> bool {
        true
    }
}
