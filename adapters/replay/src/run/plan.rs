//! The letters of a journal, page by page, each with what is to be done with it.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringTreemap;
use taskwatch_core::ports::{Record, Records, StoreError};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use super::decide::{Decision, Rules, decide};
use crate::journal::{Content, DatabaseError, Edited, Entry, EntryNumber, Journal, State, mark};
use crate::{Class, Edit, Filter, Letter, classify};

/// So many letters are looked up in the database at once.
pub(super) const PAGE: usize = 100;

/// A letter that has passed the filter, and what is to be done with it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The letter, as it reads after the edit.
    pub letter: Letter,
    /// Its entry, as it was captured.
    pub entry: Entry,
    /// What the database knows of its task.
    pub record: Option<Record>,
    /// In a word.
    pub class: Class,
    /// What is to be done.
    pub decision: Decision,
    /// Its body after the edit, if that differs.
    pub edited: Option<String>,
}

/// Goes through the unfinished letters of a journal, in order.
#[derive(Debug)]
pub struct Plan<'a> {
    journal: &'a Journal,
    filter: &'a Filter,
    edit: Option<&'a Edit>,
    rules: &'a Rules,
    /// At most so many more may go.
    left: u64,
    /// So many are looked up at once.
    page: usize,
    after: Option<EntryNumber>,
    /// Tasks of which a letter goes, or has gone, in this run.
    met: RoaringTreemap,
    passed: u64,
}

/// Why letters could not be decided about. Phrased to follow «failed to»; nothing has been done with them.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] DatabaseError),
    /// The tasks.
    #[error("look tasks up: {0}")]
    Tasks(#[from] StoreError),
}

impl<'a> Plan<'a> {
    /// Of the letters that pass the filter, at most `limit` may go.
    #[must_use]
    pub fn new(
        journal: &'a Journal,
        filter: &'a Filter,
        edit: Option<&'a Edit>,
        rules: &'a Rules,
        limit: Option<u64>,
    ) -> Self {
        let left = limit.unwrap_or(u64::MAX);
        Self { journal, filter, edit, rules, left, page: PAGE, after: None, met: RoaringTreemap::new(), passed: 0 }
    }

    /// The same, so many at a time at most: whoever goes slowly does not put tasks back long before their turn, since others
    /// may find them then.
    pub(super) fn at_most(self, page: usize) -> Self {
        Self { page: page.clamp(1, PAGE), ..self }
    }

    /// How many letters have been looked at.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.passed
    }

    /// The next page: those of it that pass the filter, which may be none; `None` at the end.
    ///
    /// # Errors
    /// [`PlanError`]: the same page comes again.
    pub async fn next(&mut self, records: &dyn Records, now: Timestamp) -> Result<Option<Vec<Planned>>, PlanError> {
        if self.left == 0 {
            return Ok(None);
        }
        let page = self.journal.unfinished(self.after, self.page).await?;
        let Some(last) = page.last().map(|entry| entry.number) else { return Ok(None) };
        let looked_at = page.len() as u64;
        let read: Vec<_> = page.into_iter().map(|entry| self.read(entry)).collect();
        let tasks: Vec<TaskId> = read.iter().filter_map(|(_, letter, _)| letter.task.as_ref().ok().copied()).collect();
        let found = records.several(&tasks).await?;
        let found: HashMap<TaskId, &Record> = found.iter().map(|record| (record.task, record)).collect();
        self.after = Some(last);
        self.passed += looked_at;
        let mut planned = Vec::with_capacity(read.len());
        for (entry, letter, edited) in read {
            let record = letter.task.as_ref().ok().and_then(|task| found.get(task)).copied();
            let class = classify(&letter, record, now);
            if !self.filter.passes(&letter, &class, record, now) {
                continue;
            }
            let name = entry.mark(self.journal.id());
            let decision = match &edited {
                Err(why) => Decision::Leave(format!("cannot be edited: {why}")),
                Ok(_) => self.once(decide(&entry, &class, record, &name, self.rules), &letter),
            };
            match decision {
                Decision::Go { .. } if self.left == 0 => break,
                // What was done by then counts as well.
                Decision::Go { .. } | Decision::Done(..) => self.left = self.left.saturating_sub(1),
                Decision::Drop(_) | Decision::Leave(_) => {}
            }
            let edited = edited.ok().flatten();
            planned.push(Planned { letter, entry, record: record.cloned(), class, decision, edited });
        }
        Ok(Some(planned))
    }

    /// Of the letters of one task, one goes.
    fn once(&mut self, decision: Decision, letter: &Letter) -> Decision {
        let Ok(task) = &letter.task else { return decision };
        match decision {
            Decision::Go { .. } | Decision::Done(..) if !self.met.insert(task.get().unsigned_abs()) => match decision {
                Decision::Go { .. } => Decision::Drop(format!("another letter of task {task} stands for it")),
                done => done,
            },
            other => other,
        }
    }

    fn read(&self, mut entry: Entry) -> (Entry, Letter, Result<Option<String>, String>) {
        let edited = match (self.edit, &entry.content) {
            // What may have been sent already is what it was then.
            (Some(edit), Content::Message(message)) if entry.state != State::Sending => {
                let body = message.record.body.as_deref().unwrap_or_default();
                edit.apply(body).map(|new| (new != body).then_some(new)).map_err(|why| why.to_string())
            }
            // What a person has once decided stays so, as long as nobody decides anew.
            _ => Ok(entry.edited.take().map(|edited| edited.0)),
        };
        entry.edited = edited.as_ref().ok().cloned().flatten().map(Edited);
        let letter = Letter::of(&entry);
        (entry, letter, edited)
    }
}

/// Characters of a reason that go into the ledger, which takes 1,024: the mark must not be cut off.
const WHY: usize = 900;

/// For each task that is to be put back, why, and by which letter.
pub(super) fn put_back(journal: &Journal, why: &str, going: &[(&Planned, u32)]) -> BTreeMap<TaskId, String> {
    let why: String = why.chars().take(WHY).collect();
    let reasons = going.iter().filter(|(planned, _)| planned.decision == Decision::Go { put_back: true });
    let reasons = reasons.filter_map(|(planned, begins)| {
        let task = *planned.letter.task.as_ref().ok()?;
        let edited = if planned.edited.is_some() { ", edited" } else { "" };
        Some((task, format!("{why}{edited} {}", mark(journal.id(), planned.entry.number, *begins))))
    });
    reasons.collect()
}
