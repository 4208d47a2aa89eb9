//! What would be done.

use std::collections::BTreeMap;

use taskwatch_core::ports::Clock as _;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::fold_reason;
use taskwatch_replay::run::{Decision, Destinations, Plan, Planned};
use taskwatch_settings::Settings;

use super::{Replay, act};
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::letters::Whence;
use crate::out::{self, DIM, STRONG, styled};
use crate::work;

/// So many letters are shown one by one.
const SHOWN: usize = 50;

/// What would become of letters, counted.
#[derive(Default)]
struct Tally {
    letters: u64,
    passed: u64,
    would: BTreeMap<String, u64>,
}

impl Replay {
    /// Looks at letters and says what would be done with them.
    pub(super) async fn look(&self, settings: &Settings) -> Result<Exit, Failed> {
        let stop = work::stop()?;
        // Whoever looks has no use for a database that is not there.
        let store = database::open(settings, Missing::Refuse).await?;
        let found = self.source.find(settings).await?;
        let destinations =
            if self.goes_to_queue() { Some(act::destinations(self, &found, settings).await?) } else { None };
        let looked = found.look(self.look, &stop).await?;
        let (filter, rules) = (self.filter(), self.rules(settings));
        let mut tally = Tally::default();
        let mut table = out::table(&["letter", "task", "class", "age", "what would be done"]);
        let mut left = self.limit;
        let mut failed_before = 0;
        for (whence, journal) in looked.journals() {
            failed_before += failed(journal).await?;
            let mut plan = Plan::new(journal, &filter, self.edit.as_ref(), &rules, left);
            while let Some(page) = plan.next(&*store, TokioClock.now()).await? {
                for planned in &page {
                    let would = would(planned, destinations.as_ref());
                    tally.passed += 1;
                    *tally.would.entry(alike(&planned.decision, &would)).or_default() += 1;
                    if let (Decision::Go { .. }, Some(left)) = (&planned.decision, &mut left) {
                        *left = left.saturating_sub(1);
                    }
                    if self.json {
                        out::line(json(whence, planned, &would))?;
                    } else if table.row_count() < SHOWN {
                        table.add_row(row(whence, planned, &would));
                    }
                }
            }
            tally.letters += plan.passed();
        }
        store.close().await;
        if self.json {
            out::line(serde_json::json!({ "summary": {
                "dry_run": true, "letters": tally.letters, "selected": tally.passed, "would": tally.would,
                "failed_before": failed_before,
            } }))?;
            return Ok(Exit::Done);
        }
        self.print(&tally, &table, failed_before)?;
        Ok(Exit::Done)
    }

    fn print(&self, tally: &Tally, table: &comfy_table::Table, failed_before: u64) -> Result<(), Failed> {
        if table.row_count() > 0 {
            for (at, line) in table.to_string().lines().enumerate() {
                out::line(if at < out::TABLE_HEAD { styled(DIM, line) } else { line.to_owned() })?;
            }
        }
        let shown = u64::try_from(table.row_count()).unwrap_or(u64::MAX);
        if tally.passed > shown {
            out::line(styled(DIM, format_args!("... and {} more: --json shows all", tally.passed - shown)))?;
        }
        out::line(format_args!("{} of {} letters selected", tally.passed, tally.letters))?;
        for (would, count) in &tally.would {
            out::line(format_args!("{} {would}", styled(STRONG, format_args!("{count:>7}"))))?;
        }
        if failed_before > 0 && !self.again {
            out::line(format_args!(
                "{failed_before} more failed again when they were replayed: --again takes them up"
            ))?;
        }
        out::remark("nothing has been done: --yes does it");
        Ok(())
    }
}

/// Letters whose tasks have failed again.
pub(super) async fn failed(journal: &taskwatch_replay::journal::Journal) -> Result<u64, Failed> {
    let counts = journal.counts().await?;
    Ok(counts.settled.get(&taskwatch_replay::journal::Outcome::Failed).copied().unwrap_or_default())
}

fn would(planned: &Planned, destinations: Option<&Destinations>) -> String {
    match &planned.decision {
        Decision::Go { put_back } => {
            let first = if *put_back { "put the task back and " } else { "" };
            let edited = if planned.edited.is_some() { ", edited" } else { "" };
            match destinations.map(|destinations| destinations.of(&planned.letter)) {
                None => format!("would {first}work it here{edited}"),
                Some(Ok(queue)) => format!("would {first}send it to {queue}{edited}"),
                Some(Err(why)) => format!("would leave it: {why}"),
            }
        }
        Decision::Drop(why) => format!("would drop it: {why}"),
        Decision::Done(_, why) => format!("would note it as done: {why}"),
        Decision::Leave(why) => format!("would leave it: {why}"),
    }
}

/// Letters about which the same is to be said are counted together.
fn alike(decision: &Decision, would: &str) -> String {
    match decision {
        Decision::Go { .. } => would.to_owned(),
        _ => fold_reason(would),
    }
}

fn row(whence: Whence, planned: &Planned, would: &str) -> [String; 5] {
    let age = TokioClock.now().since(planned.letter.since());
    let age = humantime::format_duration(std::time::Duration::from_secs(age.as_secs())).to_string();
    [
        whence.name(planned.entry.number),
        planned.letter.task.as_ref().map_or_else(|_| "?".to_owned(), ToString::to_string),
        planned.class.name().to_owned(),
        age.split(' ').take(2).collect::<Vec<_>>().join(" "),
        out::excerpt(would, 110),
    ]
}

fn json(whence: Whence, planned: &Planned, would: &str) -> serde_json::Value {
    serde_json::json!({
        "letter": whence.name(planned.entry.number),
        "message_id": planned.letter.message_id,
        "task": planned.letter.task.as_ref().ok(),
        "class": planned.class.name(),
        "edited": planned.edited,
        "would": would,
    })
}
