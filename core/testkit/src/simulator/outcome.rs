//! How a simulation ended, and whether that is how it should.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use taskwatch_core::laws::{Audit, Books};
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::metric::{Metric, counts};
use taskwatch_core::ports::Record;
use taskwatch_core::task::{OnAbandon, Status, TaskId};
use taskwatch_core::transition::EventKind;

use super::work::Run;
use super::world::{World, lock, rests};

/// What there was of everything that can go wrong, to see that a simulation is not too kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Happened {
    /// Processes killed.
    pub crashes: usize,
    /// Processes that stood still.
    pub freezes: usize,
    /// Commits whose answer was lost.
    pub lost_answers: usize,
    /// Calls of the database that failed with nothing done.
    pub unavailable: usize,
    /// Entries of which nobody was told, because the answer was lost or its worker had died.
    pub untold: usize,
    /// Runs of handlers.
    pub runs: usize,
    /// Runs that were cut off in the middle.
    pub cut_off: usize,
}

/// How a simulation ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The audit over all records.
    pub books: Books,
    /// Rows and ledger.
    pub records: Vec<Record>,
    /// What observers were told.
    pub told: BTreeMap<Metric, usize>,
    /// What went wrong on the way.
    pub happened: Happened,
    /// How long it took in virtual time.
    pub took: Duration,
    complaints: Vec<String>,
}

impl Outcome {
    /// Everything that is not as it must be: a law broken, a task lost, finished twice, or settled by another than its
    /// holder, work done again that must not be, a change told twice or not at all without excuse.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }
}

pub(super) async fn take(world: &World) -> Outcome {
    let records = world.records.records(None, usize::MAX).await.expect("a store in memory can be read");
    let mut audit = Audit::new();
    records.iter().for_each(|record| audit.observe(record));
    let books = audit.finish();
    let mut complaints: Vec<String> = books.offences.iter().map(ToString::to_string).collect();
    let unbalanced = books.lines.iter().filter(|line| !line.balanced());
    complaints.extend(unbalanced.map(|line| format!("«{}» does not balance: {line}", line.law)));
    let runs = lock(&world.runs).clone();
    complaints.extend(not_at_rest(world, &records));
    complaints.extend(records.iter().filter_map(finished_twice));
    complaints.extend(records.iter().flat_map(settled_by_another));
    complaints.extend(done_again(&records, &runs));
    let (untold, told_wrong) = told(world, &records);
    complaints.extend(told_wrong);
    Outcome {
        told: world.told.counts(),
        happened: Happened {
            crashes: world.crashes.load(Ordering::Relaxed),
            freezes: world.freezes.load(Ordering::Relaxed),
            lost_answers: world.unanswered.lost.load(Ordering::Relaxed),
            unavailable: world.unanswered.unavailable.load(Ordering::Relaxed),
            untold,
            runs: runs.len(),
            cut_off: runs.iter().filter(|run| run.cut_off).count(),
        },
        took: world.elapsed(),
        books,
        records,
        complaints,
    }
}

fn not_at_rest(world: &World, records: &[Record]) -> Vec<String> {
    if world.at_rest.load(Ordering::Relaxed) && records.iter().filter_map(|record| record.row.as_ref()).all(rests) {
        return Vec::new();
    }
    let left = records.iter().filter_map(|record| record.row.as_ref()).filter(|row| !rests(row));
    left.map(|row| format!("task {} was lost: it is {} after {:?}", row.id, row.status, world.elapsed())).collect()
}

/// Does not lean on the laws: the ledger's finish is counted by hand.
fn finished_twice(record: &Record) -> Option<String> {
    let finishes = record.entries.iter().filter(|entry| entry.event == EventKind::Completed).count();
    (finishes > 1).then(|| format!("task {} was completed {finishes} times", record.task))
}

/// Whoever ends an attempt is the process that began it. The fold does not know workers, and could not tell.
fn settled_by_another(record: &Record) -> Vec<String> {
    let (mut holder, mut complaints) = (None, Vec::new());
    for entry in &record.entries {
        let worker = &entry.origin.worker;
        match entry.event {
            EventKind::Started => holder = Some(worker),
            EventKind::Completed | EventKind::Failed | EventKind::Released if holder != Some(worker) => {
                complaints
                    .push(format!("task {}: {worker} wrote {} to what {holder:?} held", record.task, entry.event));
            }
            _ => {}
        }
    }
    complaints
}

/// A run that was cut off is the last one of work that must not run twice, unless somebody else put the task back.
fn done_again(records: &[Record], runs: &[Run]) -> Vec<String> {
    let must_not = |record: &&Record| {
        let put_back = |entry: &LedgerEntry| matches!(entry.event, EventKind::Replayed | EventKind::Overwritten);
        record.row.as_ref().is_some_and(|row| row.on_abandon == OnAbandon::Fail) && !record.entries.iter().any(put_back)
    };
    let again = records.iter().filter(must_not).filter_map(|record| {
        let mut of_task = runs.iter().filter(|run| run.task == record.task);
        let _cut_off = of_task.find(|run| run.cut_off)?;
        let more = of_task.count();
        (more > 0).then(|| format!("task {} ran {more} times more after it was cut off", record.task))
    });
    let retried = records.iter().filter(must_not).filter(|record| {
        let vanished = |entry: &LedgerEntry| entry.event == EventKind::Abandoned && entry.to == Status::Pending;
        record.entries.iter().any(vanished)
    });
    again.chain(retried.map(|record| format!("task {} was put back after it was abandoned", record.task))).collect()
}

/// How many entries were not told, and what is wrong with those that were.
fn told(world: &World, records: &[Record]) -> (usize, Vec<String>) {
    let mut complaints = Vec::new();
    let mut written: BTreeMap<(TaskId, u32), &LedgerEntry> =
        records.iter().flat_map(|record| &record.entries).map(|entry| ((entry.task, entry.seq), entry)).collect();
    let mut expected: BTreeMap<Metric, usize> = BTreeMap::new();
    for told in world.told.entries() {
        if written.remove(&(told.task, told.seq)) != Some(&told) {
            complaints.push(format!("told twice, or told and not written: {told:?}"));
        }
        for metric in counts(&told) {
            *expected.entry(metric).or_default() += 1;
        }
    }
    let unexcused = written.values().filter(|entry| !world.unanswered.contains(entry));
    complaints.extend(unexcused.map(|entry| format!("written and never told: {entry:?}")));
    let told = world.told.counts();
    for (metric, count) in expected {
        let found = told.get(&metric).copied().unwrap_or_default();
        if found != count {
            complaints.push(format!("{metric} was told {found} times for {count} entries"));
        }
    }
    (written.len(), complaints)
}
