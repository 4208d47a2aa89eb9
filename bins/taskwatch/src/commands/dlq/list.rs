//! `taskwatch dlq list`

use std::time::Duration;

use clap::Args;
use taskwatch_core::ports::{Clock as _, Records};
use taskwatch_handlers::TokioClock;
use taskwatch_replay::{ClassKind, cause};

use super::walk::{One, Walk};
use super::{Which, json};
use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out::{self, BAD, DIM, GOOD, styled};
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
A letter has the number of its entry in the journal; one that is still on the queue was only
looked at, and is called q1, q2, ... for this once.

Examples:
  taskwatch dlq list QUEUE --cause timeout --limit 20
  taskwatch dlq list dead.jsonl --query \"priority == 'high'\" --receives 5..
  taskwatch dlq list QUEUE --class uncertain --json | jq -r .message_id")]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// Also letters that have been dealt with: replayed, dropped, sent, purged
    #[arg(long)]
    all: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// One JSON object per letter; times are microseconds since 1970, UTC
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let stop = work::stop()?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let looked = self.which.source.find(&settings).await?.look(self.which.look, &stop).await?;
        let filter = self.which.filter.filter();
        let headings = ["letter", "message", "task", "class", "status", "reason", "receives", "age", "title"];
        let mut table = out::table(&headings);
        let (mut classes, mut more) = (Vec::new(), false);
        let (mut listed, mut seen) = (0, 0);
        for whence in looked.journals() {
            let records: &dyn Records = &*store;
            let mut walk = Walk::new(whence, &filter, Some(records), self.all);
            'pages: while let Some(page) = walk.next().await? {
                for one in &page {
                    if listed == self.limit {
                        more = true;
                        break 'pages;
                    }
                    listed += 1;
                    if self.json {
                        out::line(json::outline(one))?;
                    } else {
                        classes.push(one.class.kind());
                        table.add_row(row(one));
                    }
                }
            }
            seen += walk.seen;
        }
        store.close().await;
        if !self.json && listed > 0 {
            for (at, line) in table.to_string().lines().enumerate() {
                let class = at.checked_sub(out::TABLE_HEAD).and_then(|at| classes.get(at));
                out::line(styled(class.map_or(DIM, |class| style(*class)), line))?;
            }
        }
        match (listed, more) {
            (_, true) => {
                out::remark(format_args!("there are more: --limit {} shows more of them", self.limit.saturating_mul(2)))
            }
            (0, false) if seen == 0 => out::remark("there are no letters"),
            (0, false) => out::remark(format_args!("none of {seen} letters is meant")),
            (_, false) => {}
        }
        Ok(Exit::Done)
    }
}

fn row(one: &One) -> [String; 9] {
    let One { letter, record, class, .. } = one;
    let row = record.as_ref().and_then(|record| record.row.as_ref());
    let title = letter.title().or(row.map(|row| row.title.as_str())).unwrap_or_default();
    [
        one.name(),
        out::excerpt(letter.message_id.as_deref().unwrap_or("-"), 36),
        letter.task.as_ref().map_or_else(|_| "?".to_owned(), ToString::to_string),
        class.name().to_owned(),
        row.map_or_else(|| "-".to_owned(), |row| out::excerpt(&row.standing().to_string(), 20)),
        out::excerpt(cause(letter, record.as_ref()).unwrap_or("-"), 50),
        letter.receives.to_string(),
        age(TokioClock.now().since(letter.since())),
        out::excerpt(title, 40),
    ]
}

/// A length of time in its two largest units.
pub(super) fn age(age: Duration) -> String {
    let age = humantime::format_duration(Duration::from_secs(age.as_secs())).to_string();
    age.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A class in its colour.
pub(super) const fn style(class: ClassKind) -> anstyle::Style {
    match class {
        ClassKind::Failed | ClassKind::Uncertain => BAD,
        ClassKind::Completed => GOOD,
        ClassKind::Cancelled => DIM,
        ClassKind::NoSuchTask | ClassKind::UnknownStatus | ClassKind::Unreadable => {
            anstyle::AnsiColor::Yellow.on_default()
        }
        ClassKind::NeverRan | ClassKind::Waiting | ClassKind::Running => anstyle::Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        assert_eq!(age(Duration::from_secs(3 * 86_400 + 7 * 3_600 + 61)), "3days 7h");
        assert_eq!(age(Duration::from_millis(1_999)), "1s");
        assert_eq!(age(Duration::ZERO), "0s");
    }
}
