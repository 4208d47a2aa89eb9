//! `dlq` on queues: looking leaves everything there; `--yes` takes it into the journal first.

use serde_json::Value;
use taskwatch_testbed::{Aws, Queue};

use crate::place::{CLASSES, Place};
use crate::queue::{aws, body, drain, is_empty, letters, poison, send};

/// A place, and a queue with a letter for each of the tasks 1 to 6.
fn place(fifo: bool) -> (Place, Queue) {
    let (place, queue) = (Place::new(), letters(fifo));
    (1..=6).for_each(|task| send(&queue, task));
    (place, queue)
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

fn bodies(tasks: impl IntoIterator<Item = i64>) -> Vec<String> {
    tasks.into_iter().map(body).collect()
}

/// The bodies in an archive.
fn archived(place: &Place, name: &str) -> Vec<String> {
    let records = place.read(name);
    let body = |line: &str| serde_json::from_str::<Value>(line).unwrap()["body"].as_str().unwrap().to_owned();
    records.lines().map(body).collect()
}

#[test]
fn whoever_looks_takes_nothing_away() {
    let (place, queue) = place(false);
    assert_eq!(sorted(place.classes(&[&queue.arn])), sorted(CLASSES.map(str::to_owned).into()));
    let listed = place.lines(&["dlq", "list", &queue.url, "--json", "--task", "2"]);
    assert!(listed[0]["letter"].as_str().unwrap().starts_with('q'), "{listed:?}");
    let id = listed[0]["message_id"].as_str().unwrap();
    let shown = place.done(&["dlq", "show", &queue.arn, "--letter", id]).stdout;
    assert!(shown.contains("state        on the queue") && shown.contains("\"priority\": 2"), "{shown}");
    let stats: Value = serde_json::from_str(&place.done(&["dlq", "stats", &queue.arn, "--json"]).stdout).unwrap();
    assert_eq!(stats["reasons"]["failed for good: exit status #"], 6);
    for (args, would) in [
        (&["archive", "--to", "a.jsonl"][..], "would write to a.jsonl 2 of 6 letters"),
        (&["purge"], "would archive and purge 2 of 6 letters"),
    ] {
        let args = [&["dlq"], args, &[&queue.arn, "--class", "failed,completed"]].concat();
        let ran = place.done(&args);
        assert!(ran.stdout.contains("would take about 6 messages off") && ran.stdout.contains(would), "{ran:?}");
        assert!(ran.stderr.contains("nothing has been done"), "{ran:?}");
    }
    assert!(!place.path("a.jsonl").exists() && !place.path("journals").exists());
    assert_eq!(sorted(drain(&queue, 6)), bodies(1..=6));
}

#[test]
fn an_archive_of_a_queue_is_whole_and_what_it_holds_stays_open_in_the_journal() {
    for fifo in [false, true] {
        let (place, queue) = place(fifo);
        let ran = place.done(&["dlq", "archive", &queue.arn, "--to", "a.jsonl", "--yes"]);
        assert_eq!(ran.stdout, "6 letters are in a.jsonl\n");
        assert!(is_empty(&queue));
        let archive = archived(&place, "a.jsonl");
        assert_eq!(if fifo { archive } else { sorted(archive) }, bodies(1..=6), "a FIFO queue keeps its order");
        let first: Value = serde_json::from_str(place.read("a.jsonl").lines().next().unwrap()).unwrap();
        assert_eq!(first["eventSourceARN"], queue.arn);
        assert_eq!(first["messageAttributes"]["photo"]["binaryValue"], "AAEC");
        assert_eq!(first["attributes"]["MessageGroupId"].is_string(), fifo);
        assert_eq!(sorted(place.classes(&["a.jsonl"])), sorted(CLASSES.map(str::to_owned).into()));
        assert_eq!(place.classes(&[&queue.arn]).len(), 6);
        place.done(&["replay", &queue.arn, "--abandon"]);
        let back = drain(&queue, 6);
        assert_eq!(if fifo { back } else { sorted(back) }, bodies(1..=6));
    }
}

#[test]
fn a_purge_of_a_queue_closes_what_is_meant_and_keeps_the_rest() {
    let (place, queue) = place(false);
    let args = ["--class", "completed,cancelled", "--archive", "gone.jsonl", "--yes"];
    let ran = place.done(&[&["dlq", "purge", queue.arn.as_str()][..], &args].concat());
    assert!(ran.stdout.contains("2 letters are purged; they are in gone.jsonl"), "{ran:?}");
    assert!(ran.stderr.contains("4 letters are left in the journal"), "{ran:?}");
    assert!(is_empty(&queue));
    assert_eq!(sorted(archived(&place, "gone.jsonl")), bodies([1, 4]));
    let left = ["failed", "uncertain", "never-ran", "no-such-task"].map(str::to_owned);
    assert_eq!(sorted(place.classes(&[&queue.arn])), sorted(left.into()));
    place.done(&["replay", &queue.arn, "--abandon"]);
    assert_eq!(sorted(drain(&queue, 4)), bodies([2, 3, 5, 6]));
}

#[test]
fn what_stands_in_the_way_is_found_before_a_message_leaves_its_queue() {
    let (place, queue) = place(false);
    place.write("old", "old");
    let journals = place.path("journals");
    for (args, code) in [
        (&["purge", &queue.arn, "--archive", "old", "--yes"][..], 5),
        (&["archive", &queue.arn, "--to", "none/a", "--yes"], 5),
        (&["purge", &queue.arn, "--class", "failed", "--database", "sqlite://none.db", "--yes"], 4),
        (&["purge", "arn:aws:sqs:eu-west-1:000000000000:none", "--yes"], 6),
    ] {
        // The database of this place is given before, and the last word counts.
        let ran = place.run(&[&["dlq"], args].concat());
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(!journals.exists() || std::fs::read_dir(&journals).unwrap().count() == 0, "{args:?}");
    }
    assert_eq!(drain(&queue, 6).len(), 6);
}

/// Real parts: a message that nobody could work, moved by SQS itself.
#[test]
fn the_dead_letter_queue_of_the_setting_is_meant_where_none_is_named() {
    let (place, dead) = (Place::new(), letters(false));
    let source = aws().create_queue_before(&Aws::unique("tasks"), &dead, 2, &[]).unwrap();
    send(&source, 2);
    poison(&source);
    let args = ["dlq", "list", "--json", "--set", &format!("queue.name={}", source.arn)];
    let ran = place.done(&args);
    assert!(ran.stderr.contains(&format!("the dead-letter queue is {}", dead.arn)), "{ran:?}");
    let line = &ran.lines()[0];
    assert_eq!((&line["class"], &line["task"]), (&"failed".into(), &2.into()));
    assert!(line["receives"].as_u64().is_some_and(|times| times >= 2), "{line}");
}
