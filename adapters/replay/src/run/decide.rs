//! What is to be done with one dead letter.

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::Record;
use taskwatch_core::task::Status;
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use crate::journal::{Entry, Outcome, State};
use crate::{Class, replays};

/// What may be done.
#[derive(Debug, Clone)]
pub struct Rules {
    /// A task that has been put back this often is left alone.
    pub max_replays: u32,
    /// Tasks that must not run twice and may have run are put back as well.
    pub uncertain: bool,
    /// Whether letters go to a queue, rather than through the engine of this process.
    pub to_queue: bool,
}

/// What is to be done with a letter, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Its task runs.
    Go {
        /// The task has failed: it has to be put back first.
        put_back: bool,
    },
    /// Nothing runs, and nobody needs it any more.
    Drop(String),
    /// What it was to bring about has come about: in a run that was killed, or by others since it was begun.
    Done(Outcome, String),
    /// It stays as it is.
    Leave(String),
}

/// Decides about a letter of a task of which this is known. `name` is what a `Replayed` entry that was written for this
/// very letter holds in its reason.
#[must_use]
pub fn decide(entry: &Entry, class: &Class, record: Option<&Record>, name: &str, rules: &Rules) -> Decision {
    if entry.state == State::Sending && !rules.to_queue {
        let destination = entry.destination.as_deref().unwrap_or("a queue");
        return Decision::Leave(format!("it may have been sent to {destination} already: replay it there once more"));
    }
    let entries = record.map_or(&[][..], |record| &record.entries);
    let put_back = position(entries, |one| one.event == EventKind::Replayed && says(one, name));
    // What a killed run began counts from there; what it put back, from that.
    let since = put_back.or_else(|| begun(entry).and_then(|at| position(entries, |one| one.at >= at)));
    if let Some(done) = since.and_then(|from| effect(&entries[from..])) {
        return done;
    }
    match class {
        Class::Unreadable(why) => Decision::Leave(format!("cannot be read: {why}")),
        Class::NoSuchTask => Decision::Leave("the database has no such task: is it the right one?".to_owned()),
        Class::UnknownStatus(status) => {
            Decision::Leave(format!("its status is {status:?}, which taskwatch does not know"))
        }
        Class::Completed { .. } => Decision::Drop("its task was completed before".to_owned()),
        Class::Cancelled => Decision::Drop("its task was cancelled".to_owned()),
        // What the killed run had started runs on until its lease is over.
        Class::Running { .. } if entry.state == State::InWork && !rules.to_queue => Decision::Go { put_back: false },
        Class::Running { .. } => Decision::Leave("its task is being worked".to_owned()),
        Class::NeverRan | Class::Waiting { .. } => Decision::Go { put_back: false },
        Class::Uncertain { may_rerun: false, .. } if !rules.uncertain => Decision::Leave(
            "its task must not run twice, and nobody knows how far it came: find out, then say --uncertain".to_owned(),
        ),
        Class::Uncertain { .. } | Class::Failed { .. } => {
            let times = record.map_or(0, replays);
            let has_failed = record
                .and_then(|record| record.row.as_ref())
                .is_some_and(|row| row.standing().known() == Some(Status::Failed));
            if has_failed && times >= rules.max_replays {
                return Decision::Leave(format!(
                    "its task has been put back {times} times already (replay.max_replays)"
                ));
            }
            Decision::Go { put_back: has_failed }
        }
    }
}

fn position(entries: &[LedgerEntry], is_it: impl FnMut(&LedgerEntry) -> bool) -> Option<usize> {
    entries.iter().position(is_it)
}

fn says(entry: &LedgerEntry, name: &str) -> bool {
    entry.reason.as_deref().is_some_and(|reason| reason.contains(name))
}

/// When a run that was killed has begun it.
fn begun(entry: &Entry) -> Option<Timestamp> {
    entry.changed.filter(|_| entry.state == State::InWork).map(|(at, _)| at)
}

/// What became of the task in these entries, if that settles the letter.
fn effect(entries: &[LedgerEntry]) -> Option<Decision> {
    let last = entries.last()?;
    match last.event {
        EventKind::Completed => Some(Decision::Done(Outcome::Completed, "completed since it was begun".to_owned())),
        EventKind::Failed if last.to == Status::Failed => {
            let why = last.reason.as_deref().unwrap_or("no reason given");
            Some(Decision::Done(Outcome::Failed, format!("failed for good since it was begun: {why}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
