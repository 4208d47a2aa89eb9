//! Dead letters of files.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Place, Ran};

const CAPTURE: &str = r#"{"Records": [{"messageId": "m-1", "receiptHandle": "r", "body": "{\"task_id\": 1, \"title\": \"a\", \"description\": \"\"}", "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs"}]}
{"task_id": 2, "title": "b", "description": null}
this is not JSON
{"task_id": 99, "title": "c", "description": null}
{"task_id": 1, "title": "a", "description": null}
"#;

/// Task 1 is completed, task 2 has failed.
fn place() -> Place {
    let place = Place::new();
    place.run(["add", "a"]);
    place.run(["add", "b"]);
    place.run(["run", "--until-empty", "--command", "--", "sh", "-c", "! grep -q '\"b\"' || exit 65"]);
    assert_eq!(place.statuses(), ["Completed", "Failed"]);
    place.write("capture.jsonl", CAPTURE);
    place
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn entries(place: &Place, task: &str, event: &str) -> Vec<Value> {
    let record = place.json(["show", task, "--json"]);
    let entries = record["entries"].as_array().expect("its ledger");
    entries.iter().filter(|entry| entry["event"] == event).cloned().collect()
}

#[test]
fn every_letter_is_judged_and_only_what_helps_is_done() {
    let place = place();
    let args = ["replay", "capture.jsonl", "--yes", "--simulate", "--by", "Ada", "--reason", "mended"];
    let ran = place.run(args);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for part in [
        "letter 1, message m-1, task 1: dropped: its task was completed before",
        "letter 3: stays in the journal: cannot be read",
        "letter 4, task 99: stays in the journal: the database has no such task",
        "letter 5, task 1: dropped",
        "1 completed, 0 sent, 0 failed again, 2 dropped; 2 stay in the journal",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {ran:?}");
    }
    assert_eq!(place.statuses(), ["Completed", "Completed"]);
    let replayed = &entries(&place, "2", "Replayed")[0];
    assert!(replayed["reason"].as_str().unwrap().starts_with("by Ada: mended ["), "{replayed}");
    assert_eq!(replayed["source"], "replay");
    assert_eq!(place.run(["verify"]).code, Some(0));

    let again = place.run(args);
    assert!(again.stdout.contains("0 completed, 0 sent, 0 failed again, 0 dropped; 2 stay"), "{again:?}");
    assert_eq!(entries(&place, "2", "Replayed").len(), 1, "what is done stays done");
}

#[test]
fn without_yes_nothing_is_done_and_all_of_it_said() {
    let place = place();
    let ran = place.run(["replay", "capture.jsonl", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = lines(&ran);
    let would: Vec<_> = lines[..5].iter().map(|line| line["would"].as_str().unwrap()).collect();
    for (would, part) in
        would.iter().zip(["would drop", "put the task back and work it", "cannot be read", "no such", "drop"])
    {
        assert!(would.contains(part), "{part:?} is not in {would:?}");
    }
    assert_eq!((&lines[5]["summary"]["letters"], &lines[5]["summary"]["dry_run"]), (&5.into(), &true.into()));
    let ran = place.run(["replay", "capture.jsonl"]);
    assert!(ran.stdout.contains("1 would put the task back and work it here"), "{ran:?}");
    assert!(ran.stderr.contains("nothing has been done: --yes does it"), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed", "Failed"]);
    assert!(entries(&place, "2", "Replayed").is_empty());
}

#[test]
fn filters_select_and_a_limit_ends() {
    let place = Place::new();
    place.run(["add", "t", "--count", "4"]);
    let letter = |task: i64, priority: &str, receives: i64| {
        let body = serde_json::json!({ "task_id": task, "title": "t", "priority": priority }).to_string();
        let attributes =
            serde_json::json!({ "ApproximateReceiveCount": receives.to_string(), "SentTimestamp": "1500000000000" });
        let own = serde_json::json!({ "TaskwatchReason": { "stringValue": format!("no route to {task}"), "dataType": "String" } });
        serde_json::json!({ "messageId": format!("m-{task}"), "body": body, "attributes": attributes, "messageAttributes": own })
            .to_string()
    };
    let letters = [letter(1, "high", 1), letter(2, "low", 2), letter(3, "low", 3), letter(4, "low", 9)];
    place.write("dead.jsonl", &letters.join("\n"));
    let selected = |args: &[&str]| {
        let all: Vec<_> = ["replay", "dead.jsonl", "--json"].iter().chain(args).collect();
        let ran: Ran = place.command(all).output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        lines(&ran).iter().filter_map(|line| line["task"].as_i64()).collect::<Vec<_>>()
    };
    for (args, expected) in [
        (&["--query", "priority=='high'"][..], &[1][..]),
        (&["--receives", "2..3"], &[2, 3]),
        (&["--receives", "3.."], &[3, 4]),
        (&["--task", "1,3..4"], &[1, 3, 4]),
        (&["--cause", "ROUTE TO 2"], &[2]),
        (&["--attribute", "TaskwatchReason=no route to 4"], &[4]),
        (&["--class", "never-ran", "--older-than", "1y"], &[1, 2, 3, 4]),
        (&["--newer-than", "1y"], &[]),
        (&["--class", "failed"], &[]),
        (&["--task-status", "pending", "--limit", "3"], &[1, 2, 3]),
    ] {
        assert_eq!(selected(args), expected, "{args:?}");
    }
    let ran = place.run(["replay", "dead.jsonl", "--yes", "--simulate", "--receives", "2..", "--limit", "2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Pending", "Completed", "Completed", "Pending"]);
    for (args, said) in [
        (["--query", "a[", ""], "--query"),
        (["--receives", "5..3", ""], "3..5"),
        (["--class", "dead", ""], "never-ran"),
        (["--edit", "{\"a\": ", ""], "--edit"),
        (["--rate", "5/day", ""], "50/s"),
    ] {
        let all: Vec<_> = ["replay", "dead.jsonl"].iter().chain(args.iter().filter(|arg| !arg.is_empty())).collect();
        let ran: Ran = place.command(all).output().unwrap().into();
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{args:?}: {ran:?}");
    }
}

#[test]
fn an_edit_mends_a_body_and_is_kept() {
    let place = Place::new();
    place.run(["add", "a"]);
    place.write("dead.jsonl", "{\"id\": 1, \"title\": \"a\"}\n");
    let args = ["replay", "dead.jsonl", "--yes", "--simulate"];
    assert_eq!(place.run(args).code, Some(3));
    let ran: Ran =
        place.command(args.iter().chain(&["--edit", "{task_id: id, title: title}"])).output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed"]);
    assert_eq!(entries(&place, "1", "Started").len(), 1);
}

#[test]
fn what_fails_again_is_taken_up_when_asked_for_and_not_for_ever() {
    let place = place();
    let fails =
        ["replay", "capture.jsonl", "--yes", "--task", "2", "--again", "--command", "--", "sh", "-c", "exit 65"];
    for replayed in 1..=3 {
        let ran = place.run(fails);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("letter 2, task 2: failed for good: exit code 65"), "{ran:?}");
        assert_eq!(entries(&place, "2", "Replayed").len(), replayed);
    }
    let ran = place.run(fails);
    assert!(ran.stdout.contains("put back 3 times already (replay.max_replays)"), "{ran:?}");
    assert_eq!(entries(&place, "2", "Replayed").len(), 3);
    let ran =
        place.run(["--set", "replay.max_replays=4", "replay", "capture.jsonl", "--yes", "--task", "2", "--simulate"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed", "Completed"]);
}

#[test]
fn the_same_command_goes_on_to_its_limit_and_not_beyond() {
    let place = Place::new();
    place.run(["add", "t", "--count", "6"]);
    let letters: Vec<_> = (1..=6).map(|task| format!("{{\"task_id\": {task}}}")).collect();
    place.write("dead.jsonl", &letters.join("\n"));
    // The second one kills taskwatch.
    let script = "echo x >> begun; [ $(wc -l < begun) = 2 ] && kill -9 $PPID; true";
    let replay = |limit: &str| {
        let args = ["replay", "dead.jsonl", "--yes", "--limit", limit, "--concurrency", "1", "--lease", "1s"];
        place.command(args.iter().chain(&["--command", "--", "sh", "-c", script])).output().map(Ran::from).unwrap()
    };
    let completed = || place.statuses().iter().filter(|status| *status == "Completed").count();
    assert_eq!(replay("3").code, None, "killed");
    assert_eq!(completed(), 1);
    let resumed = replay("3");
    assert!(resumed.code == Some(0) && resumed.stderr.contains("was interrupted"), "{resumed:?}");
    assert_eq!(completed(), 3);
    assert_eq!(replay("3").code, Some(0), "a new one");
    assert_eq!(completed(), 6);
}

#[test]
fn a_pipe_is_read_and_the_same_once_more_is_the_same() {
    let place = Place::new();
    place.run(["add", "a"]);
    for completed in [1, 0] {
        let mut command = place.command(["replay", "-", "--yes", "--simulate", "--json"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"{\"task_id\": 1, \"title\": \"a\", \"description\": null}\n").unwrap();
        drop(stdin);
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let lines = lines(&ran);
        assert_eq!(lines.last().unwrap()["summary"]["completed"], completed, "{ran:?}");
        assert_eq!(lines.len(), completed + 1);
    }
    assert_eq!(place.statuses(), ["Completed"]);
}

#[test]
fn journals_are_shown_and_those_of_others_refused() {
    let place = place();
    let nothing = place.run(["replay", "--status"]);
    assert!(nothing.code == Some(0) && nothing.stderr.contains("there are no journals"), "{nothing:?}");
    place.run(["replay", "capture.jsonl", "--yes", "--simulate", "--reason", "mended"]);
    let status = place.json(["replay", "--status", "--json"]);
    assert_eq!((&status[0]["kept"], &status[0]["settled"]["dropped"]), (&2.into(), &2.into()), "{status:#}");
    assert_eq!(status[0]["runs"][0]["reason"], "mended");
    let journal = status[0]["journal"].as_str().unwrap().to_owned();

    place.write("other.jsonl", "{\"task_id\": 1}\n");
    let ran = place.run(["replay", "other.jsonl", "--yes", "--simulate", "--journal", &journal]);
    assert!(ran.code == Some(5) && ran.stderr.contains("capture.jsonl"), "it belongs to another file: {ran:?}");
    place.write("text", "no journal");
    let ran = place.run(["replay", "other.jsonl", "--yes", "--simulate", "--journal", "text"]);
    assert!(ran.code == Some(5) && ran.stderr.contains("as a journal"), "{ran:?}");

    place.write("capture.jsonl", "{\"task_id\": 2}\n");
    let ran = place.run(["replay", "capture.jsonl", "--yes", "--simulate"]);
    assert!(ran.code == Some(5) && ran.stderr.contains("no longer the file"), "two letters are unfinished: {ran:?}");
    let ran = place.run(["replay", "--abandon", "capture.jsonl"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("nothing has left the file"), "{ran:?}");
}

#[test]
fn a_new_file_of_the_same_name_begins_anew_when_the_old_one_is_done() {
    let place = Place::new();
    place.run(["add", "t", "--count", "2"]);
    for task in [1, 2] {
        place.write("dead.jsonl", &format!("{{\"task_id\": {task}}}\n"));
        let ran = place.run(["replay", "dead.jsonl", "--yes", "--simulate"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(place.statuses(), ["Completed", "Completed"]);
    assert_eq!(place.json(["replay", "--status", "--json"]).as_array().unwrap().len(), 2, "the old one is kept");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_begun() {
    let place = place();
    let no_work = place.run(["replay", "capture.jsonl", "--yes"]);
    assert!(no_work.code == Some(2) && no_work.stderr.contains("--to-queue"), "{no_work:?}");
    let no_file = place.run(["replay", "nothing.json", "--yes", "--simulate"]);
    assert!(no_file.code == Some(5) && no_file.stderr.contains("nothing.json"), "{no_file:?}");
    let nothing = place.run(["replay"]);
    assert!(nothing.code == Some(2) && nothing.stderr.contains("queue.name"), "{nothing:?}");
    assert_eq!(place.json(["replay", "--status", "--json"]).as_array().unwrap().len(), 0);
    std::fs::remove_file(place.path("tasks.db")).unwrap();
    let ran = place.run(["replay", "capture.jsonl", "--yes", "--simulate"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("there is no database at tasks.db"), "{ran:?}");
    assert!(!place.path("tasks.db").exists());
}

#[cfg(not(feature = "aws"))]
#[test]
fn without_the_way_to_queues_it_is_said_how_to_get_it() {
    let place = place();
    let ran = place.run(["replay", "arn:aws:sqs:eu-west-1:123456789012:dead"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--features aws"), "{ran:?}");
}
