//! Letters counted: by reason, by class, by the age of their task, by day.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use taskwatch_core::ports::Record;
use taskwatch_core::time::Timestamp;

use crate::class::{Class, ClassKind};
use crate::filter::cause;
use crate::letter::Letter;

mod fold;

pub use fold::fold_reason;

/// Most reasons that are told apart: what comes beyond is counted under [`OTHER_REASONS`].
pub const MAX_REASONS: usize = 1_000;

/// Letters whose reason was one too many.
pub const OTHER_REASONS: &str = "(other reasons)";

/// Letters about which nobody has said anything.
pub const NO_REASON: &str = "(none given)";

/// The counts. They take memory for each reason and day, not for each letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// All letters.
    pub letters: u64,
    /// By what [`cause`] says, as [`fold_reason`] makes it.
    pub reasons: BTreeMap<String, u64>,
    /// By class.
    pub classes: BTreeMap<ClassKind, u64>,
    /// By how long ago the task was inserted.
    pub task_ages: BTreeMap<TaskAge, u64>,
    /// By the day on which the letter was given up, else sent, else captured: days since 1970, UTC.
    pub days: BTreeMap<i64, u64>,
}

/// How long ago a task was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words say it")]
pub enum TaskAge {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Older,
    /// There is no row.
    Unknown,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl TaskAge {
    /// Every age.
    pub const ALL: [Self; 7] =
        [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Older, Self::Unknown];

    fn of(record: Option<&Record>, now: Timestamp) -> Self {
        let Some(row) = record.and_then(|record| record.row.as_ref()) else { return Self::Unknown };
        let age = now.since(row.created);
        let ends = [
            (Self::Minute, Duration::from_secs(60)),
            (Self::Hour, Duration::from_secs(60 * 60)),
            (Self::Day, DAY),
            (Self::Week, DAY * 7),
            (Self::Month, DAY * 30),
        ];
        ends.into_iter().find(|(_, end)| age < *end).map_or(Self::Older, |(bucket, _)| bucket)
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Minute => "under a minute",
            Self::Hour => "under an hour",
            Self::Day => "under a day",
            Self::Week => "under a week",
            Self::Month => "under 30 days",
            Self::Older => "30 days and more",
            Self::Unknown => "no such task",
        }
    }
}

impl std::fmt::Display for TaskAge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.words())
    }
}

impl Stats {
    /// Counts one letter; `class` and `record` are those of its task.
    pub fn add(&mut self, letter: &Letter, class: &Class, record: Option<&Record>, now: Timestamp) {
        self.letters += 1;
        let mut reason = cause(letter, record).map_or_else(|| NO_REASON.to_owned(), fold_reason);
        if self.reasons.len() >= MAX_REASONS && !self.reasons.contains_key(&reason) {
            reason = OTHER_REASONS.to_owned();
        }
        *self.reasons.entry(reason).or_default() += 1;
        *self.classes.entry(class.kind()).or_default() += 1;
        *self.task_ages.entry(TaskAge::of(record, now)).or_default() += 1;
        let at = letter.died_at.unwrap_or_else(|| letter.since());
        *self.days.entry(day_of(at)).or_default() += 1;
    }

    /// The reasons, most frequent first.
    #[must_use]
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut reasons: Vec<_> = self.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX))
}

/// A day as people write it, `2026-11-23`; those before 1970 and after the year 9999 by their number.
#[must_use]
pub fn day_name(day: i64) -> String {
    let since = u32::try_from(day).ok().map(|day| DAY * day).filter(|since| since.as_secs() < 253_402_300_800);
    let at = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    at.map_or_else(|| format!("day {day}"), |at| humantime::format_rfc3339_seconds(at).to_string()[..10].to_owned())
}

#[cfg(test)]
mod tests;
