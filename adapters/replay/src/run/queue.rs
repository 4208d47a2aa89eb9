//! Letters back to the queue that their messages came from.

use std::time::Duration;

use taskwatch_core::engine::Engine;
use taskwatch_core::ports::Records;
use taskwatch_core::stop::Stop;
use taskwatch_sqs_message::{CallError, SendingQueue};

use super::decide::Decision;
use super::engine::put_back_patiently;
use super::over::Over;
use super::pace::Pace;
use super::plan::{Plan, PlanError, Planned, put_back};
use super::told::{Fate, Listener, Told};
use crate::Letter;
use crate::journal::{Dispatch, EntryNumber, Journal, PutBackError, State, WorkError};

/// How long sending some letters may take: those of one FIFO group go one by one.
const WITHIN: Duration = Duration::from_secs(60);

/// So many letters are sent at once.
const AT_ONCE: usize = 100;

/// Where letters go.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    /// All of them to this queue, whatever they say.
    pub fixed: Option<String>,
    /// The queues that give their dead letters to this one, by ARN or URL.
    pub sources: Vec<String>,
}

impl Destinations {
    /// Where this letter goes.
    ///
    /// # Errors
    /// Why nobody can say.
    pub fn of(&self, letter: &Letter) -> Result<String, String> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        match (&letter.source_queue, &self.sources[..]) {
            (Some(named), []) => Ok(named.clone()),
            (Some(named), sources) => match sources.iter().find(|source| is_same(source, named)) {
                Some(source) => Ok(source.clone()),
                None => Err(format!("it came from {named}, which gives its dead letters elsewhere now: say --to")),
            },
            (None, [only]) => Ok(only.clone()),
            (None, []) => Err("nobody knows which queue it came from: say --to".to_owned()),
            (None, several) => Err(format!("it came from one of {}: say --to", several.join(", "))),
        }
    }
}

/// Whether two ARNs or URLs name the same queue: account and name, which is where both end.
fn is_same(one: &str, other: &str) -> bool {
    let end = |queue: &str| {
        let mut parts = queue.rsplit([':', '/']).map(str::to_owned);
        (parts.next(), parts.next())
    };
    one == other || end(one) == end(other)
}

/// Sends the letters of a journal.
pub struct Sending<'a> {
    /// Out of which they go.
    pub journal: &'a Journal,
    /// Puts their tasks back.
    pub engine: &'a Engine,
    /// Knows their tasks.
    pub records: &'a dyn Records,
    /// Takes them.
    pub sender: &'a dyn SendingQueue,
    /// Where to.
    pub destinations: &'a Destinations,
    /// By whom and why, for the ledger.
    pub why: String,
    /// How fast.
    pub pace: Pace,
    /// Is told of each.
    pub listener: &'a dyn Listener,
}

/// Why letters could not all be sent. Phrased to follow «failed to»; the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum QueueRunError {
    /// Nobody can say what is to be done.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] WorkError),
    /// Failed tasks could not be put back.
    #[error("put tasks back: {0}")]
    Tasks(taskwatch_core::ports::StoreError),
    /// The journal, or a letter that is none.
    #[error(transparent)]
    PutBack(#[from] PutBackError),
    /// The queue.
    #[error("send letter {number}: {why}")]
    Queue {
        /// The first that was not sent.
        number: EntryNumber,
        /// Its words.
        why: CallError,
    },
}

impl Sending<'_> {
    /// Sends what `plan` says is to go, until its end or until `stop` is set.
    ///
    /// Ends at the first letter that its queue does not take, unless that lies with the letter.
    ///
    /// # Errors
    /// [`QueueRunError`]
    pub async fn run(&self, mut plan: Plan<'_>, stop: &Stop) -> Result<(), QueueRunError> {
        while !stop.is_set() {
            let before = plan.passed();
            let Some(page) = plan.next(self.records, self.engine.clock().now()).await? else { break };
            self.listener.passed_over((plan.passed() - before).saturating_sub(page.len() as u64));
            let mut going = Vec::new();
            let mut over = Vec::new();
            for planned in &page {
                match &planned.decision {
                    Decision::Go { .. } => match self.destination(planned) {
                        Ok(destination) => going.push((planned, destination)),
                        Err(why) => self.listener.told(&Told::of(planned, Fate::Left(why))),
                    },
                    Decision::Leave(why) => self.listener.told(&Told::of(planned, Fate::Left(why.clone()))),
                    decided => over.extend(Over::of(planned, decided)),
                }
            }
            self.note(over).await?;
            let mut rest = &going[..];
            while let Some((_, more)) = rest.split_first() {
                if !self.pace.one(self.engine.clock(), stop).await {
                    break;
                }
                let also = more.iter().take(AT_ONCE - 1).take_while(|_| self.pace.one_more()).count();
                self.send(&rest[..=also], stop).await?;
                rest = &rest[also + 1..];
            }
        }
        Ok(())
    }

    fn destination(&self, planned: &Planned) -> Result<String, String> {
        match (planned.entry.state, &planned.entry.destination) {
            // It may be there already.
            (State::Sending, Some(destination)) => Ok(destination.clone()),
            _ => self.destinations.of(&planned.letter),
        }
    }

    async fn send(&self, some: &[(&Planned, String)], stop: &Stop) -> Result<(), QueueRunError> {
        let going: Vec<_> = some.iter().map(|(planned, _)| (*planned, planned.entry.begins)).collect();
        let tasks = put_back(self.journal, &self.why, &going);
        put_back_patiently(self.engine, &tasks, stop, self.listener).await.map_err(QueueRunError::Tasks)?;
        let dispatch = |(planned, destination): &(&Planned, String)| Dispatch {
            entry: planned.entry.number,
            destination: destination.clone(),
            body: planned.edited.clone(),
        };
        let dispatches: Vec<_> = some.iter().map(dispatch).collect();
        let outcomes = self.journal.put_back(&dispatches, self.sender, self.engine.clock(), &self.why, WITHIN).await?;
        let mut failure = None;
        for ((planned, destination), outcome) in some.iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.listener.told(&Told::of(planned, Fate::Sent(destination.clone()))),
                Err(why) => {
                    self.listener.told(&Told::of(planned, Fate::Later(why.to_string(), None)));
                    if !matches!(why, CallError::Refused { .. }) {
                        failure.get_or_insert(QueueRunError::Queue { number: planned.entry.number, why });
                    }
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Brings what is over into the journal, and tells of it.
    async fn note(&self, over: Vec<Over<'_>>) -> Result<(), WorkError> {
        let now = self.engine.clock().now();
        let (begun, free): (Vec<_>, Vec<_>) = over.iter().partition(|over| over.planned.entry.state == State::Sending);
        for Over { planned, why, .. } in begun {
            self.journal.sent(&[planned.entry.number], why, now).await?;
        }
        let settlements: Vec<_> = free.into_iter().map(Over::settlement).collect();
        if !settlements.is_empty() {
            self.journal.settle(&settlements, now).await?;
        }
        for over in &over {
            self.listener.told(&Told::of(over.planned, over.fate()));
        }
        Ok(())
    }
}
