//! Which letters are meant.

use std::ops::RangeInclusive;
use std::time::Duration;

use taskwatch_core::ports::Record;
use taskwatch_core::task::Status;
use taskwatch_core::time::Timestamp;

use crate::class::{Class, ClassKind};
use crate::letter::Letter;
use crate::query::Query;

/// Conditions, all of which must hold. The default holds for every letter; so does an empty list, for its part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// One of these classes.
    pub classes: Vec<ClassKind>,
    /// The task stands at one of these; a letter without a row never passes.
    pub statuses: Vec<Status>,
    /// The task's id is in one of these; a letter that cannot be read never passes.
    pub tasks: Vec<RangeInclusive<i64>>,
    /// A part of what [`cause`] says, in whatever case.
    pub cause: Option<String>,
    /// The letter's age is at least this.
    pub older_than: Option<Duration>,
    /// The letter's age is at most this.
    pub newer_than: Option<Duration>,
    /// It has been received so often.
    pub receives: Option<RangeInclusive<u32>>,
    /// It has all these attributes, with these values where they are given.
    pub attributes: Vec<(String, Option<String>)>,
    /// An expression over the body.
    pub query: Option<Query>,
}

impl Filter {
    /// Whether a letter is meant. `class` and `record` are those of its task; its age counts since it was sent, else since
    /// it was captured.
    #[must_use]
    pub fn passes(&self, letter: &Letter, class: &Class, record: Option<&Record>, now: Timestamp) -> bool {
        let age = now.since(letter.since());
        any(&self.classes, |kind| *kind == class.kind())
            && any(&self.statuses, |status| standing(record) == Some(*status))
            && any(&self.tasks, |ids| letter.task.as_ref().is_ok_and(|task| ids.contains(&task.get())))
            && self.older_than.is_none_or(|least| age >= least)
            && self.newer_than.is_none_or(|most| age <= most)
            && self.receives.as_ref().is_none_or(|times| times.contains(&letter.receives))
            && self.attributes.iter().all(|(name, value)| {
                let own = letter.attributes.get(name);
                own.is_some_and(|own| value.as_ref().is_none_or(|value| own == value))
            })
            && self.cause.as_ref().is_none_or(|part| cause(letter, record).is_some_and(|cause| holds(cause, part)))
            && self.query.as_ref().is_none_or(|query| query.matches(&letter.body))
    }
}

/// Why a letter is one: its own reason, else that of its task's row, else why it cannot be read.
#[must_use]
pub fn cause<'a>(letter: &'a Letter, record: Option<&'a Record>) -> Option<&'a str> {
    let row = || record?.row.as_ref()?.reason.as_deref();
    let unreadable = || letter.task.as_ref().err().map(String::as_str);
    letter.reason.as_deref().or_else(row).or_else(unreadable)
}

fn standing(record: Option<&Record>) -> Option<Status> {
    record?.row.as_ref()?.standing().known()
}

fn any<T>(these: &[T], is: impl FnMut(&T) -> bool) -> bool {
    these.is_empty() || these.iter().any(is)
}

fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests;
