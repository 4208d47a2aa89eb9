//! Doing it.

use taskwatch_core::ledger::Source as Origin;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::journal::{Before, By, Journal, Source};
use taskwatch_replay::run::{Destinations, JournalSource, Order, Pace, Plan, Sending};
use taskwatch_replay::{Edit, Filter};
use taskwatch_settings::Settings;
use taskwatch_sql_store::SqlStore;

use super::Replay;
use super::tell::Teller;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::letters::{self, Found, Queues};
use crate::out;
use crate::work;

/// Where letters go that are sent.
pub(super) async fn destinations(replay: &Replay, found: &Found, settings: &Settings) -> Result<Destinations, Failed> {
    if let Some(queue) = &replay.to {
        let fixed = Some(Queues::of(settings)?.look(queue).await?.arn);
        return Ok(Destinations { fixed, sources: Vec::new() });
    }
    let sources = match (&found.source, &found.queues) {
        (Source::Queue(queue), Some(queues)) => queues.sources_of(queue).await.unwrap_or_else(|error| {
            out::remark(format_args!("{error}: each letter has to say itself which queue it came from"));
            Vec::new()
        }),
        _ => Vec::new(),
    };
    Ok(Destinations { fixed: None, sources })
}

impl Replay {
    pub(super) async fn act(&self, settings: &Settings) -> Result<Exit, Failed> {
        if !self.goes_to_queue() && work::check(settings).is_err() {
            return Err(Failed::Usage(
                "where are the letters to go? Send them back to their queue with --to-queue, or work them here: give \
                 --command -- PROGRAM..., --http URL or --simulate, or set handler.kind"
                    .into(),
            ));
        }
        let stop = work::stop()?;
        // All that can be wrong is found out before a message leaves its queue.
        let store = database::open(settings, Missing::Refuse).await?;
        let found = self.source.find(settings).await?;
        let by = letters::by(self.by.as_deref(), self.reason.as_deref());
        let sending = if self.goes_to_queue() {
            Some((destinations(self, &found, settings).await?, Queues::of(settings)?))
        } else {
            None
        };
        let filter = self.filter();
        let (journal, before) = self.take(&found, &by, &filter, &stop).await?;
        if before.is_resumed {
            out::remark("goes on where the same command was interrupted");
        }
        if self.again {
            out::remark(format_args!("{} letters that failed again are taken up", before.reopened));
        }
        let counts = journal.counts().await?;
        let teller = Teller::new(self.json, counts.unfinished() - counts.captured);
        let why = match &by.reason {
            Some(reason) => format!("by {}: {reason}", by.who),
            None => format!("by {}", by.who),
        };
        let rules = self.rules(settings);
        let plan = Plan::new(&journal, &filter, self.edit.as_ref(), &rules, self.left(before));
        let without_database = match sending {
            Some((destinations, queues)) => {
                let engine = work::desk(settings, store.clone(), Origin::Replay)?;
                let sending = Sending {
                    journal: &journal,
                    engine: &engine,
                    records: &*store,
                    sender: queues.sending(),
                    destinations: &destinations,
                    why,
                    pace: Pace::new(self.rate),
                    listener: &teller,
                };
                let sent = sending.run(plan, &stop).await;
                self.end(sent.map_err(Failed::from), &journal, &teller).await?;
                0
            }
            None => self.work(settings, &store, &journal, plan, why, &teller, &stop).await?,
        };
        let stay = journal.counts().await?.unfinished();
        let exit = teller.conclude(stop.is_set(), without_database, stay);
        if !stop.is_set() {
            journal.command_ended().await?;
        }
        store.close().await;
        journal.close().await;
        exit
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run")]
    async fn work(
        &self,
        settings: &Settings,
        store: &std::sync::Arc<SqlStore>,
        journal: &Journal,
        plan: Plan<'_>,
        why: String,
        teller: &Teller,
        stop: &Stop,
    ) -> Result<u64, Failed> {
        let engine = work::worker(settings, store.clone(), Origin::Replay)?;
        let order = Order { why, patience: self.wait, pace: Pace::new(self.rate) };
        let source = JournalSource::new(journal, plan, &engine, &**store, order, stop.clone(), teller);
        engine.drive(&source, stop).await;
        let finished = source.finish().await;
        self.end(finished.map_err(Failed::from), journal, teller).await?;
        Ok(source.without_database())
    }

    /// What was done before it ended is told all the same.
    async fn end(&self, ended: Result<(), Failed>, journal: &Journal, teller: &Teller) -> Result<(), Failed> {
        if ended.is_err() {
            let stay = journal.counts().await.map_or(0, |counts| counts.unfinished());
            let _ = teller.conclude(false, 0, stay);
        }
        ended
    }

    /// Opens the journal, notes the command there, and fills it.
    async fn take(&self, found: &Found, by: &By, filter: &Filter, stop: &Stop) -> Result<(Journal, Before), Failed> {
        let command = self.command(filter, by);
        let Some(queues) = &found.queues else {
            let journal = found.take(by, stop).await?;
            let before = journal.command(&command, self.again, TokioClock.now()).await?;
            return Ok((journal, before));
        };
        let journal = found.open(by).await?;
        let before = journal.command(&command, self.again, TokioClock.now()).await?;
        let limit = match self.left(before).filter(|_| *filter == Filter::default()) {
            // Without a filter, no more leaves the queue than is replayed.
            Some(left) => Some(left.saturating_sub(journal.counts().await?.unfinished())),
            None => None,
        };
        found.drain(queues, &journal, limit, stop).await?;
        Ok((journal, before))
    }

    /// How many letters may go in this run.
    fn left(&self, before: Before) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(before.gone))
    }

    /// All that makes it another command, in words.
    fn command(&self, filter: &Filter, by: &By) -> String {
        let edit = self.edit.as_ref().map(Edit::text);
        let (limit, to, by) = (self.limit, (self.to_queue, &self.to), (&by.who, &by.reason));
        format!(
            "replay {filter:?} limit {limit:?} to {to:?} edit {edit:?} {:?} by {by:?}",
            (self.uncertain, self.again)
        )
    }
}
