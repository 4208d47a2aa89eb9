//! What must hold at the end, recomputed from bare SQL and from the traces that the work itself has left.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::Place;

/// The shortest that there is, in microseconds.
const LEASE: i64 = 1_000_000;

/// What becomes of a task is known from its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Succeeds.
    Plain,
    /// Fails the first time.
    Flaky,
    /// Fails for good.
    Hopeless,
    /// Fails each time, and may try thrice.
    Failing,
    /// Succeeds, but must not run twice.
    Once,
}

impl Kind {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Flaky => "flaky",
            Self::Hopeless => "hopeless",
            Self::Failing => "failing",
            Self::Once => "once",
        }
    }

    /// For `taskwatch add`.
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Flaky | Self::Hopeless => &[],
            Self::Failing => &["--max-attempts", "3"],
            Self::Once => &["--on-abandon", "fail"],
        }
    }

    fn may_end(self, status: &str) -> bool {
        match self {
            Self::Plain | Self::Flaky => status == "Completed",
            Self::Hopeless | Self::Failing => status == "Failed",
            Self::Once => status == "Completed" || status == "Failed",
        }
    }
}

/// The tasks that `taskwatch add` has acknowledged.
pub(crate) type Added = BTreeMap<i64, Kind>;

/// Adds tasks of several kinds.
pub(crate) fn add(place: &Place, kinds: &[(Kind, usize)]) -> Added {
    let ids = |(kind, count): &(Kind, usize)| {
        place.add(kind.title(), *count, kind.flags()).into_iter().map(|id| (id, *kind)).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(ids).collect()
}

/// An entry of the ledger.
pub(crate) struct Entry {
    seq: u32,
    pub(crate) event: String,
    to: String,
    attempt: u32,
    /// In microseconds.
    at: i64,
    pub(crate) worker: String,
}

/// Everything that is known at the end.
pub(crate) struct Books {
    statuses: BTreeMap<i64, String>,
    ledgers: BTreeMap<i64, Vec<Entry>>,
    effects: BTreeMap<(i64, u32), usize>,
}

impl Books {
    pub(crate) fn read(place: &Place) -> Self {
        let rows = place.ask("SELECT CONCAT_WS('|', id, status) FROM tasks");
        let statuses = rows.iter().map(|row| row.split_once('|').unwrap());
        let statuses = statuses.map(|(id, status)| (id.parse().unwrap(), status.to_owned())).collect();
        let mut ledgers: BTreeMap<i64, Vec<Entry>> = BTreeMap::new();
        let columns = "task_id, seq, event, to_status, attempt, recorded_at, worker";
        for row in place.ask(&format!("SELECT CONCAT_WS('|', {columns}) FROM task_ledger ORDER BY task_id, seq")) {
            let [task, seq, event, to, attempt, at, worker] = row.split('|').collect::<Vec<_>>().try_into().unwrap();
            ledgers.entry(task.parse().unwrap()).or_default().push(Entry {
                seq: seq.parse().unwrap(),
                event: event.to_owned(),
                to: to.to_owned(),
                attempt: attempt.parse().unwrap(),
                at: at.parse().unwrap(),
                worker: worker.to_owned(),
            });
        }
        let mut effects = BTreeMap::new();
        for effect in place.effects() {
            *effects.entry(effect).or_default() += 1;
        }
        Self { statuses, ledgers, effects }
    }

    /// All that should not be.
    pub(crate) fn faults(&self, added: &Added) -> Vec<String> {
        let strange = self.effects.keys().filter(|(task, _)| !added.contains_key(task));
        let strange = strange.map(|(task, _)| format!("task {task} was worked, and never added"));
        added.iter().flat_map(|(task, kind)| self.faults_of(*task, *kind)).chain(strange).collect()
    }

    fn faults_of(&self, task: i64, kind: Kind) -> Vec<String> {
        let (Some(status), Some(ledger)) = (self.statuses.get(&task), self.ledgers.get(&task)) else {
            return vec![format!("task {task} is lost")];
        };
        let mut faults = Vec::new();
        let mut demand = |holds: bool, what: &dyn std::fmt::Display| {
            if !holds {
                faults.push(format!("task {task} ({}): {what}", kind.title()));
            }
        };
        demand(kind.may_end(status), &format_args!("it ended as {status}"));
        demand(ledger.iter().zip(1..).all(|(entry, seq)| entry.seq == seq), &"entries are missing");
        let ends = ledger.iter().filter(|entry| ["Completed", "Failed", "Cancelled"].contains(&&*entry.to)).count();
        demand(ends == 1, &format_args!("it was finished {ends} times"));
        let last = ledger.last().map(|entry| &entry.to);
        demand(last == Some(status), &format_args!("it is {status}, and its ledger ends with {last:?}"));
        let count = |events: &[&str]| ledger.iter().filter(|entry| events.contains(&&*entry.event)).count();
        let (starts, stops) = (count(&["Started"]), count(&["Completed", "Failed", "Abandoned", "Released"]));
        demand(starts == stops, &format_args!("{starts} attempts began and {stops} ended"));
        for pair in ledger.windows(2).filter(|pair| pair[1].event == "Abandoned") {
            let held = pair[1].at - pair[0].at;
            demand(held >= LEASE, &format_args!("it was taken over after {held} µs, before the lease could end"));
        }
        for pair in ledger.windows(2).filter(|pair| pair[0].event == "Started" && pair[1].event != "Abandoned") {
            let (began, ended) = (&pair[0].worker, &pair[1].worker);
            demand(began == ended, &format_args!("{ended} ended the attempt of {began}"));
        }

        let done = |attempt| self.effects.get(&(task, attempt)).copied().unwrap_or(0);
        for entry in ledger.iter().filter(|entry| entry.event == "Completed") {
            let attempt = entry.attempt;
            demand(done(attempt) >= 1, &format_args!("attempt {attempt} completed it without any work"));
        }
        // Work is repeated only where an attempt is on record that began and did not complete it.
        for (&(_, attempt), &times) in self.effects.range((task, 0)..=(task, u32::MAX)) {
            let began = ledger.iter().filter(|entry| entry.event == "Started" && entry.attempt == attempt).count();
            demand(
                times <= began,
                &format_args!("attempt {attempt} began {began} times and did its work {times} times"),
            );
        }
        let times: usize = self.effects.range((task, 0)..=(task, u32::MAX)).map(|(_, times)| times).sum();
        demand(kind != Kind::Once || times <= 1, &format_args!("it must not run twice and was worked {times} times"));
        faults
    }

    /// How many entries tell of this event.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.ledgers.values().flatten().filter(|entry| entry.event == event).count()
    }

    /// The highest number of an attempt.
    pub(crate) fn attempts(&self) -> u32 {
        self.ledgers.values().flatten().map(|entry| entry.attempt).max().unwrap_or(0)
    }

    /// How often work was done that had been done before.
    pub(crate) fn repeated_work(&self) -> usize {
        let tasks: BTreeSet<i64> = self.effects.keys().map(|(task, _)| *task).collect();
        self.effects.values().sum::<usize>() - tasks.len()
    }

    /// The workers from which a lease was taken over, with the number of leases.
    pub(crate) fn bereft(&self) -> BTreeMap<&str, usize> {
        let mut bereft = BTreeMap::new();
        for pair in self.ledgers.values().flat_map(|ledger| ledger.windows(2)) {
            if pair[0].event == "Started" && pair[1].event == "Abandoned" {
                *bereft.entry(&*pair[0].worker).or_default() += 1;
            }
        }
        bereft
    }
}

/// The program's own audit of the books, which must agree.
pub(crate) fn verify(place: &Place) {
    let verified = place.run(&["verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}
