//! What must hold at the end, of everything that ours did and of everything that was added.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use taskwatch_core::ports::Record;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;

use crate::load::Added;
use crate::old::Told;
use crate::ours::Ours;
use crate::scene::Scene;
use crate::support::{TEST, broken_laws};

/// All that should not be.
pub(crate) fn faults(scene: &Scene, ours: &Ours, told: &Told, added: &Added) -> Vec<String> {
    let records = scene.records();
    let effects = effects(scene);
    let mut faults = broken_laws(&records);
    faults.extend(records.iter().flat_map(|record| of_ledger(record, &effects)));
    faults.extend(of_tasks(&records, told, added));
    // The old one lists the column as it is.
    let mut theirs = scene.old.api.list();
    for (task, record) in theirs.as_array_mut().into_iter().flatten().zip(&records) {
        task["status"] = standing(record).into();
    }
    if theirs != ours.api.list() {
        faults.push(format!("the lists differ: {theirs} and {}", ours.api.list()));
    }
    // Its own faults are expected; those that we would cause are not.
    let disturbed = told.errors.iter().filter(|error| !error.contains("Expecting value"));
    faults.extend(disturbed.map(|error| format!("the old function was disturbed: {error}")));
    faults
}

/// What ours did to a task, as its ledger and its work tell.
fn of_ledger(record: &Record, effects: &BTreeMap<(i64, u32), usize>) -> Vec<String> {
    let (task, mut faults) = (record.task.get(), Vec::new());
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            let events: Vec<_> = record.entries.iter().map(|entry| entry.event.as_str()).collect();
            faults.push(format!("task {task}: {what}: {events:?}"));
        }
    };
    let completed: Vec<_> = record.entries.iter().filter(|entry| entry.event == EventKind::Completed).collect();
    demand(completed.len() <= 1, "completed more than once");
    for entry in completed {
        demand(record.entries.last() == Some(entry), "un-completed");
        let recorded = record.row.as_ref().and_then(|row| row.recorded);
        demand(recorded == Some(Status::Completed), "completed, and the row does not know it");
        demand(effects.contains_key(&(task, entry.attempt)), "completed without any work");
    }
    for (&(_, attempt), &times) in effects.range((task, 0)..=(task, u32::MAX)) {
        let is_start = |event, of| event == EventKind::Started && of == attempt;
        let started = record.entries.iter().filter(|entry| is_start(entry.event, entry.attempt)).count();
        demand(times <= started, "worked more often than started");
    }
    faults
}

/// Where the tasks stand: none was lost, none is left behind.
fn of_tasks(records: &[Record], told: &Told, added: &Added) -> Vec<String> {
    let standing: BTreeMap<i64, String> = records.iter().map(|record| (record.task.get(), standing(record))).collect();
    let mut faults = Vec::new();
    for (task, (kind, publisher)) in added {
        match standing.get(task) {
            Some(status) if status == kind.end() => {}
            other => faults.push(format!("task {task} ({kind:?}, added by {publisher:?}) stands as {other:?}")),
        }
    }
    let strange: BTreeSet<_> = standing.keys().filter(|task| !added.contains_key(task)).collect();
    if !strange.is_empty() {
        faults.push(format!("tasks from nowhere: {strange:?}"));
    }
    let open = told.left.iter().filter(|task| !["Completed", "Failed"].contains(&&*standing[*task]));
    faults.extend(open.map(|task| format!("task {task} was left behind by the old function, and nobody found it")));
    faults
}

/// What is finished stays finished, whatever the old program writes over it; of the rest, its word counts as well.
fn standing(record: &Record) -> String {
    let row = record.row.as_ref().expect(TEST);
    let finished = row.recorded.filter(|status| status.is_absorbing());
    finished.map_or_else(|| row.status.to_string(), |status| status.to_string())
}

/// How often each attempt of ours did its work.
fn effects(scene: &Scene) -> BTreeMap<(i64, u32), usize> {
    let mut effects = BTreeMap::new();
    // There is none where nothing of ours has worked.
    for line in fs::read_to_string(scene.folder.path().join("effects")).unwrap_or_default().lines() {
        let (task, attempt) = line.split_once(' ').expect(TEST);
        *effects.entry((task.parse().expect(TEST), attempt.parse().expect(TEST))).or_default() += 1;
    }
    effects
}
