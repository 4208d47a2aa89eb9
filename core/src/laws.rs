//! The books: what the ledger says has happened must add up to where the tasks stand.
//!
//! The flow laws count entries by event and status alone; they share nothing with [`crate::ledger::fold`] or the transition function,
//! so a mistake in one of them cannot hide itself.

use std::collections::BTreeMap;
use std::fmt;

use self::terms::{Count, Term, misfit, sides};
use crate::metric::{Metric, counts};
use crate::ports::Record;
use crate::task::{Status, TaskId, TaskRow};
use crate::transition::EventKind;

mod terms;
#[cfg(test)]
mod tests;

/// How many offences [`Books::offences`] keeps; the rest are only counted.
pub const OFFENCES_KEPT: usize = 100;

/// A law that every ledger must obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// Whatever comes into In Progress leaves it or is still there.
    InProgress,
    /// Whatever was added or adopted has a status, or another program has deleted its row.
    Tasks,
    /// Whatever was given up is still Failed, or somebody has put it back.
    Dead,
    /// Played through the transition function, the entries of a task lead to its row.
    Fold,
    /// A task is Completed at most once, and nothing follows Completed or Cancelled.
    FinishedOnce,
}

impl Law {
    /// Every law, in the order of [`Books::lines`].
    pub const ALL: [Self; 5] = [Self::InProgress, Self::Tasks, Self::Dead, Self::Fold, Self::FinishedOnce];

    /// The name, for tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in progress",
            Self::Tasks => "tasks",
            Self::Dead => "dead",
            Self::Fold => "fold",
            Self::FinishedOnce => "finished once",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One law, with the numbers put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookLine {
    /// Which.
    pub law: Law,
    /// The summands before the equals sign.
    pub left: Vec<(String, u64)>,
    /// Those after it.
    pub right: Vec<(String, u64)>,
}

impl BookLine {
    fn zero(law: Law) -> Self {
        let side = |terms: &[Term]| terms.iter().map(|term| (term.label.to_owned(), 0)).collect();
        let (left, right) = sides(law);
        Self { law, left: side(left), right: side(right) }
    }

    /// Adds a task, and says whether it balances by itself.
    fn add(&mut self, record: &Record) -> bool {
        let add = |sums: &mut [(String, u64)], terms: &[Term]| {
            let mut all = 0;
            for ((_, sum), term) in sums.iter_mut().zip(terms) {
                let count = match term.count {
                    Count::Entries(which) => record.entries.iter().map(|entry| u64::from(which(entry))).sum(),
                    Count::Tasks(which) => u64::from(which(record)),
                };
                *sum += count;
                all += count;
            }
            all
        };
        let (left, right) = sides(self.law);
        add(&mut self.left, left) == add(&mut self.right, right)
    }

    /// Whether both sides come to the same.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let sum = |side: &[(String, u64)]| side.iter().map(|(_, count)| count).sum::<u64>();
        sum(&self.left) == sum(&self.right)
    }
}

/// The equation, without its zeros.
impl fmt::Display for BookLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &[(String, u64)]| {
            let terms = side.iter().filter(|(_, count)| *count > 0).map(|(label, count)| format!("{count} {label}"));
            let terms: Vec<_> = terms.collect();
            if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }
        };
        let sign = if self.balanced() { "=" } else { "≠" };
        write!(f, "{} {sign} {}", side(&self.left), side(&self.right))
    }
}

/// A task that breaks a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// Which law.
    pub law: Law,
    /// Which task.
    pub task: TaskId,
    /// How.
    pub what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} breaks the law «{}»: {}", self.task, self.law, self.what)
    }
}

/// What an [`Audit`] has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// A line for each law.
    pub lines: Vec<BookLine>,
    /// The first [`OFFENCES_KEPT`] offences.
    pub offences: Vec<Offence>,
    /// All of them.
    pub offences_found: u64,
    /// The counts of the catalogue, recomputed from the entries.
    pub metrics: BTreeMap<Metric, u64>,
    /// Rows by the status that the ledger last wrote.
    pub statuses: BTreeMap<Status, u64>,
    /// Rows that another program inserted and that nobody has touched yet.
    pub unadopted: u64,
    /// Rows whose status another program has changed and that nobody has touched since.
    pub overwritten: u64,
    /// Tasks of which only the ledger is left.
    pub deleted: u64,
}

impl Books {
    /// Whether every law holds, for the whole and for each task.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.offences_found == 0 && self.lines.iter().all(BookLine::balanced)
    }
}

/// Reads records one after the other and keeps the sums only.
#[derive(Debug, Clone)]
pub struct Audit(Books);

impl Default for Audit {
    fn default() -> Self {
        Self::new()
    }
}

impl Audit {
    /// Over nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Books { lines: Law::ALL.into_iter().map(BookLine::zero).collect(), ..Books::default() })
    }

    /// Takes in one task; each is to be shown once.
    pub fn observe(&mut self, record: &Record) {
        let books = &mut self.0;
        for line in &mut books.lines {
            if line.add(record) {
                continue;
            }
            books.offences_found += 1;
            if books.offences.len() < OFFENCES_KEPT {
                books.offences.push(Offence { law: line.law, task: record.task, what: what(line.law, record) });
            }
        }
        for metric in record.entries.iter().flat_map(counts) {
            *books.metrics.entry(metric).or_default() += 1;
        }
        match &record.row {
            None => books.deleted += 1,
            Some(row) => {
                match row.recorded {
                    None => books.unadopted += 1,
                    Some(status) => *books.statuses.entry(status).or_default() += 1,
                }
                books.overwritten += u64::from(TaskRow::is_overwritten(row));
            }
        }
    }

    /// The result.
    #[must_use]
    pub fn finish(self) -> Books {
        self.0
    }
}

fn what(law: Law, record: &Record) -> String {
    match law {
        Law::Fold => misfit(record).unwrap_or_default(),
        Law::FinishedOnce => {
            let done: Vec<_> = record.entries.iter().filter(|entry| entry.to.is_absorbing()).collect();
            let first = done.first().map_or(0, |entry| entry.seq);
            let completed = done.iter().filter(|entry| entry.event == EventKind::Completed).count();
            format!("finished with entry {first} of {}, {completed} times Completed", record.entries.len())
        }
        Law::InProgress | Law::Tasks | Law::Dead => {
            let mut line = BookLine::zero(law);
            line.add(record);
            line.to_string()
        }
    }
}
