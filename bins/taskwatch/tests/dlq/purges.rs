//! `dlq purge` of a file.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::place::{CLASSES, Place, capture, record};

fn archives(place: &Place) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place.path("journals"))
        .into_iter()
        .flatten()
        .map(|entry| format!("journals/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.contains("-purged-"))
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_purged_is_archived_first_and_closed_for_good() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let dry = place.done(&["dlq", "purge", "dead.jsonl", "--class", "completed,cancelled"]);
    assert_eq!(dry.stdout, "would archive and purge 2 of 8 letters\n");
    assert!(dry.stderr.contains("nothing has been done: --yes does it"), "{dry:?}");
    assert_eq!((place.classes(&["dead.jsonl"]).len(), archives(&place).len()), (8, 0));

    let args = ["--class", "completed,cancelled", "--by", "Ada", "--reason", "over", "--yes"];
    let ran = place.done(&[&["dlq", "purge", "dead.jsonl"][..], &args].concat());
    assert!(ran.stdout.starts_with("2 letters are purged; they are in "), "{ran:?}");
    let archives = archives(&place);
    assert_eq!(archives.len(), 1);
    assert_eq!(place.classes(&[&archives[0]]), ["completed", "cancelled"]);
    let left = [&CLASSES[1..3], &CLASSES[4..], &["unreadable"; 2]].concat();
    assert_eq!(place.classes(&["dead.jsonl"]), left);
    assert_eq!(place.classes(&["dead.jsonl", "--all"]).len(), 8);
    let shown = place.done(&["dlq", "show", "dead.jsonl", "--task", "1"]).stdout;
    assert!(shown.contains("state        settled: purged, by Ada: over; archived in "), "{shown}");
    // No replay takes them up.
    let replay = place.done(&["replay", "dead.jsonl"]);
    assert!(replay.stdout.contains("6 of 6 letters selected"), "{replay:?}");

    let again = place.done(&["dlq", "purge", "dead.jsonl", "--class", "completed,cancelled", "--yes"]);
    assert!(again.stderr.contains("none of 6 letters is meant"), "{again:?}");
    assert_eq!(archives.len(), 1);
}

#[test]
fn where_the_archive_cannot_be_written_nothing_is_purged() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    place.write("old", "old");
    for archive in ["old", "none/new"] {
        let ran = place.run(&["dlq", "purge", "dead.jsonl", "--archive", archive, "--yes"]);
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert!(ran.stderr.contains(archive), "{ran:?}");
        assert_eq!(place.classes(&["dead.jsonl"]).len(), 8);
    }
    assert_eq!(place.read("old"), "old");
}

#[test]
fn all_of_a_file_can_be_purged() {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    let args = ["dlq", "purge", "dead.jsonl", "--archive", "all.jsonl", "--yes", "--json"];
    let summary = &place.lines(&args)[0];
    assert_eq!(
        (&summary["purged"], &summary["left"], &summary["archive"]),
        (&8.into(), &0.into(), &"all.jsonl".into())
    );
    assert!(place.classes(&["dead.jsonl"]).is_empty());
    assert_eq!(place.classes(&["all.jsonl"]).len(), 8);
    assert_eq!(std::fs::read(place.path("dead.jsonl")).unwrap(), capture(), "the file stays as it is");
}

/// The ids of the messages in an archive.
fn archived(place: &Place, name: &str) -> Vec<String> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["messageId"].as_str().unwrap().to_owned();
    place.read(name).lines().map(id).collect()
}

/// The archive's name is taken while it is written: only what is archived may be closed.
#[test]
fn an_archive_that_fails_at_its_end_leaves_every_letter_open() {
    let place = Place::new();
    for attempt in 1.. {
        let (dead, archive) = (format!("dead-{attempt}.jsonl"), format!("archive-{attempt}.jsonl"));
        place.write(&dead, (1..=3_000).map(|task| format!("{}\n", record(task))).collect::<String>());
        let mut child = place.command(&["dlq", "purge", &dead, "--archive", &archive, "--yes"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let is_begun = || {
            let names = std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
            names.into_iter().any(|name| name.to_string_lossy().starts_with(".taskwatch-archive-"))
        };
        while !is_begun() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        place.write(&archive, "another's");
        if child.wait().unwrap().code() == Some(5) {
            assert_eq!(place.read(&archive), "another's");
            assert_eq!(place.classes(&[&dead, "--limit", "5000"]).len(), 3_000);
            return;
        }
        // It was done before that.
        assert!(attempt < 20);
    }
}

/// Wherever it is killed, each letter is open in the journal or in an archive; going on is doing the same again.
#[test]
fn a_purge_that_is_killed_loses_nothing() {
    let place = Place::new();
    let all: Vec<i64> = (1..=1_000).collect();
    place.write("dead.jsonl", all.iter().map(|task| format!("{}\n", record(*task))).collect::<String>());
    let all: BTreeSet<_> = all.iter().map(|task| format!("message-{task}")).collect();
    // In the journal from the beginning, so that what is killed is the purge.
    place.done(&["dlq", "list", "dead.jsonl"]);
    let open = |place: &Place| {
        let lines = place.lines(&["dlq", "list", "dead.jsonl", "--json", "--limit", "5000"]);
        lines.iter().map(|line| line["message_id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let names = |round: usize| format!("round-{round}.jsonl");
    let in_archives = |place: &Place, rounds: usize| {
        let names = (0..=rounds).map(names).filter(|name| place.path(name).exists());
        names.flat_map(|name| archived(place, &name)).collect::<BTreeSet<_>>()
    };
    // Ever later, until one has come to its end.
    for (round, after) in (1..).map(|step| Duration::from_millis(step * 20)).enumerate() {
        let args = ["dlq", "purge", "dead.jsonl", "--archive", &names(round), "--yes"];
        let mut child = place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Any moment will do.
        std::thread::sleep(after);
        child.kill().unwrap();
        let is_done = child.wait().unwrap().success();
        let (open, archived) = (open(&place), in_archives(&place, round));
        assert!(all.iter().all(|id| open.contains(id) || archived.contains(id)), "after {after:?}");
        if is_done {
            assert_eq!((open.len(), archived), (0, all));
            break;
        }
    }
}
