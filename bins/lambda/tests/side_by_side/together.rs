//! Both at work at once, and what the checks are worth.

use std::collections::BTreeSet;

use serde_json::json;
use taskwatch_core::ledger::Source;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;

use crate::checks::faults;
use crate::load::{Added, Publisher};
use crate::old::Told;
use crate::ours::Ours;
use crate::scene::Scene;
use crate::support::{TEST, call};

/// Who works beside the old function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// Ours.
    Ours,
    /// Ours, on a table that does not keep what it had recorded: the old program's word is all there is.
    Forgetful,
    /// Another old function.
    Old,
}

/// As `UPDATE tasks SET status` would be, were there no second column.
const FORGET: &str = "CREATE TRIGGER forget BEFORE UPDATE ON tasks FOR EACH ROW \
     SET NEW.recorded = IF(NEW.seq = OLD.seq AND OLD.recorded IS NOT NULL, NEW.status, NEW.recorded)";

/// From the old system alone, over the move, to the end of `waves` of tasks for both.
fn run(beside: Beside, waves: usize) -> (Scene, Ours, Told, Added) {
    let scene = Scene::old();
    scene.old.map(&scene.queue);
    let mut added = scene.add(16, None);
    scene.await_empty_queue();
    let stuck = scene.sql("SELECT COUNT(*) FROM tasks WHERE status = 'In Progress'");
    assert_ne!(stuck, "0", "the old system has lost some");

    // It goes on while we move in.
    added.extend(scene.add(8, None));
    let ours = scene.migrate();
    let sweeper = match beside {
        Beside::Ours | Beside::Forgetful => {
            if beside == Beside::Forgetful {
                scene.sql(FORGET);
            }
            ours.map(&scene.queue);
            Some(ours.sweep())
        }
        Beside::Old => {
            scene.old.map_another(&scene.queue);
            None
        }
    };
    for _ in 0..waves {
        added.extend(scene.add(24, Some(&ours)));
    }
    scene.await_empty_queue();
    if sweeper.is_some() {
        scene.await_end();
    }
    drop(sweeper);
    let told = scene.old.told();
    (scene, ours, told, added)
}

#[test]
fn tasks_added_by_either_are_worked_by_either_and_our_books_hold() {
    let (scene, ours, told, added) = run(Beside::Ours, 4);
    assert!(added.len() > 300, "{}", added.len());
    assert_eq!(faults(&scene, &ours, &told, &added), [] as [String; 0]);

    // It was not for nothing: both have read the messages of all, and met.
    let records = scene.records();
    let by = |source: Source| -> BTreeSet<Publisher> {
        let did = records.iter().filter(|record| {
            let mut entries = record.entries.iter();
            entries.any(|entry| entry.event == EventKind::Completed && entry.origin.source == source)
        });
        did.map(|record| added[&record.task.get()].1).collect()
    };
    let all = BTreeSet::from([Publisher::Old, Publisher::Hand, Publisher::Ours]);
    assert_eq!(by(Source::Lambda), all, "ours has worked messages of all");
    let by_old: BTreeSet<Publisher> = told.completed.iter().map(|task| added[task].1).collect();
    assert_eq!(by_old, all, "the old function has worked messages of all");
    let with =
        |event: EventKind| records.iter().flat_map(|record| &record.entries).filter(move |one| one.event == event);
    assert!(with(EventKind::Overwritten).count() > 0, "the old function wrote over what ours had written");
    let rescued = with(EventKind::Abandoned).filter(|entry| told.left.contains(&entry.task.get())).count();
    assert!(rescued > 0, "ours has rescued what the old function left behind: {:?}", told.left);
    let untouched =
        with(EventKind::Adopted).filter(|one| one.to == Status::Pending && &*one.origin.worker == "sweeper");
    assert!(untouched.count() > 0, "the sweeper has found what was deleted unread");
    assert!(told.errors.iter().any(|error| error.contains("Expecting value")), "{:?}", told.errors);

    metrics(&scene, &told);
}

/// The old system's are where its dashboard looks for them.
fn metrics(scene: &Scene, told: &Told) {
    let metrics = call(scene.aws, "TaskManagementSystem", "metrics", &json!({}));
    for metric in ["TasksAdded", "TasksStarted", "TasksCompleted", "TasksFailed"] {
        let found = metrics.as_array().expect(TEST).iter().find(|one| one[0] == metric && one[1] == json!([]));
        let sum = found.and_then(|one| one[2].as_f64()).unwrap_or_else(|| panic!("{metric}: {metrics}"));
        let least = if metric == "TasksCompleted" { told.completed.len() } else { 1 };
        assert!(sum >= f64::from(u32::try_from(least).expect(TEST)), "{metric}: {metrics}");
    }
}

#[test]
fn without_ours_tasks_stay_behind_and_the_checks_say_so() {
    let (scene, ours, told, added) = run(Beside::Old, 1);
    let faults = faults(&scene, &ours, &told, &added);
    assert!(faults.iter().any(|fault| fault.ends_with("and nobody found it")), "{faults:#?}");
    assert!(faults.iter().any(|fault| fault.contains("stands as Some(\"In Progress\")")), "{faults:#?}");
}

#[test]
fn without_a_record_of_ours_the_books_break_and_the_checks_say_so() {
    let (scene, ours, told, added) = run(Beside::Forgetful, 1);
    let faults = faults(&scene, &ours, &told, &added);
    assert!(faults.iter().any(|fault| fault.contains("breaks the law «fold»")), "{faults:#?}");
}
