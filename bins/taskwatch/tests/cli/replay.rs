//! Captured messages through the engine.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Place, Ran};

const CAPTURE: &str = r#"{"Records": [{"messageId": "m-1", "receiptHandle": "r", "body": "{\"task_id\": 1, \"title\": \"a\", \"description\": \"\"}", "attributes": {"ApproximateReceiveCount": "1"}, "eventSource": "aws:sqs"}]}
{"task_id": 2, "title": "b", "description": null}
this is not JSON
{"task_id": 99, "title": "c", "description": null}
{"task_id": 1, "title": "a", "description": null}
"#;

#[test]
fn every_message_is_reported_and_bad_lines_are_kept_aside() {
    let place = Place::new();
    place.run(["add", "a"]);
    place.run(["add", "b"]);
    place.run(["run", "--until-empty", "--command", "--", "sh", "-c", "! grep -q '\"b\"' || exit 65"]);
    assert_eq!(place.statuses(), ["Completed", "Failed"]);

    place.write("capture.jsonl", CAPTURE);
    let ran = place.run(["replay", "capture.jsonl", "--simulate", "--by", "Ada", "--reason", "mended"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for part in [
        "capture.jsonl:1, record 1, message m-1, task 1: duplicate: the task is Completed",
        "capture.jsonl:2, task 2: completed",
        "capture.jsonl:3: cannot be read",
        "capture.jsonl:4, task 99: no such task",
        "1 failed tasks put back",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {ran:?}");
    }
    let kept = std::fs::read_to_string(place.path("capture.jsonl.rejected.jsonl")).unwrap();
    assert!(kept.contains("this is not JSON"), "{kept}");
    assert_eq!(place.statuses(), ["Completed", "Completed"]);
    let record = place.json(["show", "2", "--json"]);
    let replayed = record["entries"].as_array().unwrap().iter().find(|entry| entry["event"] == "Replayed").unwrap();
    assert_eq!(replayed["reason"], "by Ada: mended");
    assert_eq!(replayed["source"], "replay");
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn a_pipe_is_read_and_json_comes_out() {
    let place = Place::new();
    place.run(["add", "a"]);
    let mut command = place.command(["replay", "-", "--simulate", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"task_id\": 1, \"title\": \"a\", \"description\": null}\n").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["task"], 1);
    assert_eq!(lines[1]["summary"]["acknowledged"], 1);
    assert_eq!(place.statuses(), ["Completed"]);
}

#[test]
fn a_file_that_is_not_there_ends_with_5() {
    let place = Place::new();
    let ran = place.run(["replay", "nothing.json", "--simulate"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("nothing.json"), "{ran:?}");
}

#[test]
fn messages_of_tasks_that_are_not_there_are_bad_input_and_named() {
    let place = Place::new();
    place.run(["add", "a"]);
    place.write("capture.jsonl", r#"{"task_id": 99, "title": "c", "description": null}"#);
    let ran = place.run(["replay", "capture.jsonl", "--simulate"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for part in [
        "capture.jsonl:1, task 99: no such task [left alone]",
        "0 settled, 0 to be tried later, 0 dead letters",
        "1 name no task of sqlite://tasks.db",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {ran:?}");
    }
    assert!(!ran.stdout.contains("in the database: `taskwatch run`"), "{ran:?}");

    let ran = place.run(["replay", "capture.jsonl", "--simulate", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let summary: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["summary"]["no_such_task"], &summary["summary"]["later"]), (&1.into(), &0.into()));
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let place = Place::new();
    place.write("capture.jsonl", CAPTURE);
    let ran = place.run(["replay", "capture.jsonl", "--simulate"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("there is no database at tasks.db"), "{ran:?}");
    assert!(!place.path("tasks.db").exists());
}
