//! Choosing letters of a file.

use crate::place::{CLASSES, Place, capture};

#[test]
fn every_letter_has_the_class_of_its_task() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let all = [&CLASSES[..], &["unreadable", "unreadable"]].concat();
    assert_eq!(place.classes(&["dead.jsonl"]), all);
    // The journal knows them again.
    assert_eq!(place.classes(&["dead.jsonl"]), all);
    assert_eq!(place.classes(&["dead.jsonl", "--limit", "2"]), all[..2]);
}

#[test]
fn filters_choose_and_must_all_hold() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let chosen = |args: &[&str]| place.classes(&[&["dead.jsonl"], args].concat());
    for (args, classes) in [
        (&["--class", "completed,cancelled"][..], &["completed", "cancelled"][..]),
        (&["--class", "failed", "--class", "never-ran"], &["failed", "never-ran"]),
        (&["--task-status", "in-progress"], &["uncertain"]),
        (&["--task", "1,5..6"], &["completed", "never-ran", "no-such-task"]),
        (&["--cause", "EXIT STATUS 2"], &["failed"]),
        (&["--receives", "4.."], &["cancelled", "never-ran", "no-such-task"]),
        (&["--receives", "2..3"], &["failed", "uncertain"]),
        (&["--attribute", "photo=AAEC", "--task", "1"], &["completed"]),
        (&["--attribute", "photo=other"], &[]),
        (&["--query", "priority > `5`"], &["no-such-task"]),
        (&["--query", "contains(@, 'nonsense')"], &["unreadable"]),
        (&["--older-than", "1h", "--task", "2"], &["failed"]),
        (&["--newer-than", "1h"], &["unreadable", "unreadable"]),
        (&["--class", "failed", "--task", "1"], &[]),
    ] {
        assert_eq!(chosen(args), classes, "{args:?}");
    }
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_done() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    for (args, said) in [
        (&["--class", "dead"][..], "unknown class \"dead\": expected one of never-ran"),
        (&["--query", "task_id == 7"], "at character 12 (7): numbers are written in backquotes"),
        (&["--query", "title == \"a\""], "text is written in single quotes: 'a'"),
        (&["--task", "x"], "expected a task id or a range of them"),
        (&["--receives", "5..3"], "expected a number or a range"),
        (&["--limit", "0"], "0 is not in 1.."),
        (&["--set", "replay.jornals=x"], "did you mean"),
    ] {
        let ran = place.run(&[&["dlq", "list", "dead.jsonl"], args].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{said}: {ran:?}");
    }
    assert!(!place.path("journals").exists());
}

#[test]
fn settings_are_taken_before_and_after_each_word_of_the_command() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let database = "database.url=sqlite://tasks.db";
    for args in [
        ["--set", database, "dlq", "list", "dead.jsonl"],
        ["dlq", "--set", database, "list", "dead.jsonl"],
        ["dlq", "list", "dead.jsonl", "--set", database],
    ] {
        let ran = place.bare(args).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{args:?}: {ran:?}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let ran = place.run(&["dlq", "list", "none.jsonl"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("none.jsonl"), "{ran:?}");
    let none = place.bare(["dlq", "list", "dead.jsonl", "--database", "sqlite://none.db"]).output().unwrap();
    assert_eq!(none.status.code(), Some(4), "{none:?}");
    assert!(!place.path("none.db").exists() && !place.path("journals").exists());
    place.write("empty.jsonl", "");
    let ran = place.done(&["dlq", "list", "empty.jsonl"]);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("there are no letters"), "{ran:?}");
    let ran = place.done(&["dlq", "list", "dead.jsonl", "--task", "99"]);
    assert!(ran.stderr.contains("none of 8 letters is meant"), "{ran:?}");
}
