//! `taskwatch dlq stats`

use clap::Args;
use serde_json::{Map, Value, json};
use taskwatch_core::ports::{Clock as _, Records};
use taskwatch_handlers::TokioClock;
use taskwatch_replay::{Stats as Counts, TaskAge, day_name};

use super::Which;
use super::bars::{self, Bar};
use super::walk::Walk;
use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out;
use crate::work;

/// So many reasons have a bar of their own.
const REASONS: usize = 20;

/// So many days, the latest.
const DAYS: usize = 31;

#[derive(Debug, Args)]
#[command(after_help = "\
Reasons that differ in numbers, ids and quoted names alone are counted together. A letter's day
is the one on which it was given up, else sent, else captured, UTC.

Examples:
  taskwatch dlq stats QUEUE
  taskwatch dlq stats dead.jsonl --class failed --newer-than 7days
  taskwatch dlq stats QUEUE --json | jq .reasons")]
pub(crate) struct Stats {
    #[command(flatten)]
    which: Which,
    /// Also letters that have been dealt with: replayed, dropped, sent, purged
    #[arg(long)]
    all: bool,
    /// Draw with # instead of blocks
    #[arg(long)]
    ascii: bool,
    /// A JSON object with all counts
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let stop = work::stop()?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let looked = self.which.source.find(&settings).await?.look(self.which.look, &stop).await?;
        let filter = self.which.filter.filter();
        let (mut counts, mut seen) = (Counts::default(), 0);
        for from in looked.journals() {
            let records: &dyn Records = &*store;
            let mut walk = Walk::new(from, &filter, Some(records), self.all);
            while let Some(page) = walk.next().await? {
                let now = TokioClock.now();
                for one in &page {
                    counts.add(&one.letter, &one.class, one.record.as_ref(), now);
                }
            }
            seen += walk.seen;
        }
        store.close().await;
        if self.json {
            out::json(&as_json(&counts, seen))?;
        } else {
            self.draw(&counts, seen)?;
        }
        Ok(Exit::Done)
    }

    fn draw(&self, counts: &Counts, seen: u64) -> Result<(), Failed> {
        out::line(format_args!("{} of {seen} letters", counts.letters))?;
        if counts.letters == 0 {
            return Ok(());
        }
        let width = bars::width();
        for (heading, bars) in charts(counts) {
            out::line("")?;
            for line in bars::lines(heading, &bars, width, self.ascii) {
                out::line(line)?;
            }
        }
        Ok(())
    }
}

fn charts(counts: &Counts) -> [(&'static str, Vec<Bar>); 4] {
    let bar = |label: String, count: u64| Bar { label, count };
    let ordered = counts.by_frequency();
    let mut reasons: Vec<_> =
        ordered.iter().take(REASONS).map(|(reason, count)| bar((*reason).to_owned(), *count)).collect();
    let rest: u64 = ordered.iter().skip(REASONS).map(|(_, count)| count).sum();
    if rest > 0 {
        reasons.push(bar(format!("({} other reasons)", ordered.len() - REASONS), rest));
    }
    let mut classes: Vec<_> =
        counts.classes.iter().map(|(class, count)| bar(class.name().to_owned(), *count)).collect();
    classes.sort_by_key(|bar| std::cmp::Reverse(bar.count));
    let ages =
        TaskAge::ALL.into_iter().filter_map(|age| Some(bar(age.words().to_owned(), *counts.task_ages.get(&age)?)));
    let earlier: u64 = counts.days.iter().rev().skip(DAYS).map(|(_, count)| count).sum();
    let mut days = Vec::new();
    if earlier > 0 {
        days.push(bar("earlier".to_owned(), earlier));
    }
    let latest = counts.days.iter().skip(counts.days.len().saturating_sub(DAYS));
    days.extend(latest.map(|(day, count)| bar(day_name(*day), *count)));
    [("by reason", reasons), ("by class", classes), ("by age of the task", ages.collect()), ("by day", days)]
}

fn as_json(counts: &Counts, seen: u64) -> Value {
    let object = |pairs: Vec<(String, u64)>| -> Map<String, Value> {
        pairs.into_iter().map(|(name, count)| (name, count.into())).collect()
    };
    json!({
        "looked_at": seen,
        "letters": counts.letters,
        "reasons": object(counts.reasons.clone().into_iter().collect()),
        "classes": object(counts.classes.iter().map(|(class, count)| (class.name().to_owned(), *count)).collect()),
        "task_ages": object(counts.task_ages.iter().map(|(age, count)| (age.words().to_owned(), *count)).collect()),
        "days": object(counts.days.iter().map(|(day, count)| (day_name(*day), *count)).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_bar_of_its_own_is_counted_with_others() {
        let reasons = (0..30).map(|n| (format!("reason {}", char::from(b'a' + n)), 30 - u64::from(n))).collect();
        let days = (0..40).map(|day| (day, 1)).collect();
        let counts = Counts { letters: 465, reasons, days, ..Counts::default() };
        let [(_, reasons), _, _, (_, days)] = charts(&counts);
        assert_eq!(reasons.len(), REASONS + 1);
        assert_eq!((reasons[20].label.as_str(), reasons[20].count), ("(10 other reasons)", 55));
        assert_eq!((days[0].label.as_str(), days[0].count), ("earlier", 9));
        assert_eq!((days.len(), days[31].label.as_str()), (DAYS + 1, "1970-02-09"));
    }
}
