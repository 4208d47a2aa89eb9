//! Letters, page by page, each with its task beside it.

use std::collections::HashMap;

use taskwatch_core::ports::{Clock as _, Record, Records};
use taskwatch_core::task::TaskId;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::journal::{Entry, EntryNumber, Journal};
use taskwatch_replay::{Class, Filter, Letter, classify};

use crate::exit::Failed;
use crate::letters::Whence;

/// So many tasks are looked up at once.
const PAGE: usize = 100;

/// A letter that has passed the filter.
pub(super) struct One {
    pub(super) whence: Whence,
    pub(super) entry: Entry,
    pub(super) letter: Letter,
    pub(super) record: Option<Record>,
    pub(super) class: Class,
}

impl One {
    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.whence.name(self.entry.number)
    }
}

/// Goes through a journal.
pub(super) struct Walk<'a> {
    journal: &'a Journal,
    whence: Whence,
    filter: &'a Filter,
    /// Where the tasks are; `None` where nobody asks about them.
    records: Option<&'a dyn Records>,
    all: bool,
    after: Option<EntryNumber>,
    /// How many letters have been looked at.
    pub(super) seen: u64,
}

impl<'a> Walk<'a> {
    /// Those that are unfinished, or `all`.
    pub(super) const fn new(
        (whence, journal): (Whence, &'a Journal),
        filter: &'a Filter,
        records: Option<&'a dyn Records>,
        all: bool,
    ) -> Self {
        Self { journal, whence, filter, records, all, after: None, seen: 0 }
    }

    /// The next page: those of it that pass the filter, which may be none; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<One>>, Failed> {
        let page = match self.all {
            true => self.journal.entries(self.after, PAGE).await?,
            false => self.journal.unfinished(self.after, PAGE).await?,
        };
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(last.number);
        self.seen += page.len() as u64;
        let letters: Vec<_> = page.into_iter().map(|entry| (Letter::of(&entry), entry)).collect();
        let tasks: Vec<TaskId> = letters.iter().filter_map(|(letter, _)| letter.task.as_ref().ok().copied()).collect();
        let found = match self.records {
            Some(records) if !tasks.is_empty() => records.several(&tasks).await?,
            _ => Vec::new(),
        };
        let found: HashMap<TaskId, Record> = found.into_iter().map(|record| (record.task, record)).collect();
        let now = TokioClock.now();
        let one = |(letter, entry): (Letter, Entry)| {
            let record = letter.task.as_ref().ok().and_then(|task| found.get(task));
            let class = classify(&letter, record, now);
            let passes = self.filter.passes(&letter, &class, record, now);
            let record = record.filter(|_| passes).cloned();
            passes.then_some(One { whence: self.whence, entry, letter, record, class })
        };
        Ok(Some(letters.into_iter().filter_map(one).collect()))
    }
}

/// Whether letters can only be chosen with their tasks beside them.
pub(super) fn asks_about_tasks(filter: &Filter) -> bool {
    !filter.classes.is_empty() || !filter.statuses.is_empty() || filter.cause.is_some()
}
