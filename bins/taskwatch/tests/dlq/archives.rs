//! `dlq archive` of a file.

use serde_json::Value;

use crate::place::{Place, capture, record};

#[test]
fn an_archive_holds_the_letters_as_they_came_and_is_read_as_they_were() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let ran = place.done(&["dlq", "archive", "dead.jsonl", "--to", "letters.jsonl"]);
    assert_eq!(ran.stdout, "8 letters are in letters.jsonl\n");
    assert_eq!(place.classes(&["letters.jsonl"]), place.classes(&["dead.jsonl"]));
    let bytes = std::fs::read(place.path("letters.jsonl")).unwrap();
    let first: Value = serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    for member in ["messageId", "body", "attributes", "messageAttributes"] {
        assert_eq!(first[member], record(1)[member], "{member}");
    }
    // A replay of the archive finds the same.
    let replay = place.done(&["replay", "letters.jsonl"]);
    assert!(replay.stdout.contains("8 of 8 letters selected"), "{replay:?}");
}

#[test]
fn only_what_is_meant_is_archived_and_the_tasks_are_needed_only_where_they_are_asked_about() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let summary = &place.lines(&["dlq", "archive", "dead.jsonl", "--to", "a", "--class", "failed", "--json"])[0];
    assert_eq!((&summary["letters"], &summary["archive"]), (&1.into(), &"a".into()));
    assert_eq!(summary["bytes"], place.read("a").len());
    assert!(place.read("a").contains("message-2"));
    // There is no such database.
    let bare = |args: &[&str]| {
        let args = [&["--database", "sqlite://none.db", "dlq", "archive", "dead.jsonl", "--to"], args].concat();
        place.bare(args).output().unwrap().status.code()
    };
    assert_eq!(bare(&["b", "--query", "priority > `4`"]), Some(0));
    assert_eq!(place.read("b").lines().count(), 2);
    assert_eq!(bare(&["c", "--class", "failed"]), Some(4));
    assert!(!place.path("c").exists());
}

#[test]
fn an_existing_file_is_not_replaced_unasked_and_none_is_made_for_nothing() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    place.write("old", "old");
    let ran = place.run(&["dlq", "archive", "dead.jsonl", "--to", "old"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("failed to write the archive old: the file exists"), "{ran:?}");
    assert_eq!(place.read("old"), "old");
    place.done(&["dlq", "archive", "dead.jsonl", "--to", "old", "--overwrite", "--task", "1"]);
    assert_eq!(place.read("old").lines().count(), 1);
    let ran = place.done(&["dlq", "archive", "dead.jsonl", "--to", "new", "--task", "99"]);
    assert!(ran.stderr.contains("none of 8 letters is meant"), "{ran:?}");
    assert!(ran.stdout.is_empty() && !place.path("new").exists());
    let ran = place.run(&["dlq", "archive", "dead.jsonl", "--to", "none/new"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("failed to begin the archive none/new"), "{ran:?}");
}
