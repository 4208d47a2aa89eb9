//! One dead-letter queue with letters of every kind.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use taskwatch_core::transition::EventKind::{Abandoned, Added, Completed, Failed, Replayed, Started};

use crate::place::{Database, Kind, POISON, Place};

const GARBAGE: &str = "{ this was never an announcement";

/// A task that must not run twice, and whose worker was killed in the middle of it.
fn abandoned(place: &Place) -> i64 {
    let announced = format!("announce.target={}", place.topic);
    let task = place.add_with("charge the card", 1, &["--on-abandon", "fail", "--set", &announced])[0];
    let settings = [
        ("TASKWATCH_HANDLER_KIND", "simulate"),
        ("TASKWATCH_HANDLER_COMMAND", ""),
        ("TASKWATCH_HANDLER_SIMULATE_DURATION", "1h"),
        ("TASKWATCH_WORKER_LEASE", "1s"),
        // The shortest that there is.
        ("TASKWATCH_QUEUE_HIDDEN", "10s"),
    ];
    let worker = place.worker(&settings);
    place.until("in progress", || place.statuses().contains_key("In Progress"));
    worker.kill();
    // The next one finds out, and gives it up.
    let next = place.worker(&settings);
    place.until("given up", || place.waiting(&place.queue) == 0 && place.waiting(&place.dead) == 1);
    next.stop();
    assert_eq!(place.events(task), [Added, Started, Abandoned]);
    task
}

/// What was said of each task, and of what is none.
fn by_task(letters: &[Value], field: &str) -> BTreeMap<Option<i64>, String> {
    letters.iter().map(|letter| (letter["task"].as_i64(), letter[field].as_str().unwrap().to_owned())).collect()
}

pub(crate) fn each_after_its_kind(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let uncertain = abandoned(&place);
    let failed = place.add(POISON, 2);
    place.work(&[], 3, 0);
    let never_ran = place.add_with("nobody came to it", 2, &[]);
    let completed = place.add_with("done by hand", 1, &[])[0];
    let cancelled = place.add_with("called off", 1, &[])[0];
    let missing = 4_000_000;
    let announced = |task: i64| json!({ "task_id": task, "title": "x", "description": null }).to_string();
    for task in never_ran.iter().chain(&[completed, cancelled, missing]) {
        place.send(&place.dead, &announced(*task), &json!({}));
    }
    place.send(&place.dead, GARBAGE, &json!({}));
    place.run(&["cancel", &cancelled.to_string()]).ends(0);
    // In the meantime, somebody has worked one of them.
    let letter = place.path("one.json");
    std::fs::write(&letter, announced(completed)).unwrap();
    place.run(&["replay", &letter, "--yes", "--simulate"]).ends(0);
    assert_eq!(place.counts(&place.dead), (9, 0));

    let looked = place.replay(&["--json"]).ends(0).letters();
    let mut classes = BTreeMap::from([
        (Some(uncertain), "uncertain"),
        (Some(completed), "completed"),
        (Some(cancelled), "cancelled"),
        (Some(missing), "no-such-task"),
        (None, "unreadable"),
    ]);
    classes.extend(failed.iter().map(|task| (Some(*task), "failed")));
    classes.extend(never_ran.iter().map(|task| (Some(*task), "never-ran")));
    let classes = classes.into_iter().map(|(task, class)| (task, class.to_owned())).collect();
    assert_eq!(by_task(&looked, "class"), classes);
    let would = by_task(&looked, "would");
    for (task, words) in [
        (Some(uncertain), "would leave it: its task must not run twice"),
        (Some(failed[0]), "would put the task back and work it here"),
        (Some(never_ran[0]), "would work it here"),
        (Some(completed), "would drop it: its task was completed before"),
        (Some(cancelled), "would drop it: its task was cancelled"),
        (Some(missing), "would leave it: the database has no such task"),
        (None, "would leave it: cannot be read: "),
    ] {
        assert!(would[&task].starts_with(words), "{task:?}: {}", would[&task]);
    }
    let only = place.replay(&["--json", "--class", "never-ran,cancelled"]).ends(0).letters();
    assert_eq!(only.len(), 3, "{only:?}");

    let here = ["--yes", "--json", "--command", "--", "/bin/sh", "-c", "exit 0"];
    let done = place.replay(&here).ends(3);
    let fates = by_task(&done.letters(), "fate");
    for (tasks, fate) in [
        (&failed[..], "completed"),
        (&never_ran, "completed"),
        (&[completed, cancelled], "dropped"),
        (&[uncertain, missing], "left"),
    ] {
        assert!(tasks.iter().all(|task| fates[&Some(*task)] == fate), "{tasks:?}: {fates:?}");
    }
    assert_eq!((fates[&None].as_str(), fates.len()), ("left", 9));
    assert_eq!(place.events(uncertain), [Added, Started, Abandoned], "nobody has touched it");
    assert_eq!(place.events(never_ran[0]), [Added, Started, Completed]);
    assert_eq!(place.events(failed[0]), [Added, Started, Failed, Replayed, Started, Completed]);
    assert_eq!(place.events(completed), [Added, Started, Completed]);
    assert!(!place.events(cancelled).contains(&Started));
    let status = place.journal();
    assert_eq!((&status["kept"], &status["settled"]["dropped"]), (&json!(3), &json!(2)), "{status}");

    // Somebody has found out that the card was not charged.
    let uncertainly = [&["--uncertain"][..], &here].concat();
    let done = place.replay(&uncertainly).ends(3);
    assert_eq!((done.fates("completed"), done.fates("left")), (1, 2));
    assert_eq!(place.events(uncertain), [Added, Started, Abandoned, Replayed, Started, Completed]);
    place.books_balance();

    // The other two are somebody else's.
    place.replay(&["--abandon"]).ends(0).says("2 letters are back");
    let left: Vec<_> = place.aws.drain(&place.dead, 2).unwrap();
    let mut bodies: Vec<_> = left.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [GARBAGE.to_owned(), announced(missing)]);
    assert_eq!(place.journal()["kept"], 0);
}
