//! The other commands, and targets that are none.

use serde_json::json;

use crate::place::{DATABASES, Database, Place, broker, tasks};
use crate::road::Road;

#[test]
fn what_add_brings_is_announced_too_and_what_replay_works_is_not() {
    for database in DATABASES {
        let place = Place::new(database, broker());
        place.done(&["add", "t", "--count", "3"]);
        assert_eq!(tasks(&place.received(3)), [1, 2, 3]);
        let fails_2 = "grep -q '\"task_id\":2,' && exit 65 || true";
        place.done(&["run", "--until-empty", "--command", "--", "sh", "-c", fails_2]);
        place.write("capture", &json!({ "task_id": 2, "title": "t", "description": null }).to_string());
        place.done(&["replay", "capture", "--yes", "--simulate"]);
        // The letter is the announcement.
        place.nothing_more();
        place.books_balance();
    }
}

#[test]
fn add_succeeds_without_a_broker_and_says_so() {
    let road = Road::closed();
    let place = Place::new(Database::Sqlite, road.port);
    let (stdout, stderr) = place.done(&["add", "t"]);
    assert_eq!(stdout, "added task 1\n");
    assert!(stderr.contains("stay in the outbox") && stderr.contains(&place.topic), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    road.open(broker());
    let _served = place.serve(&["announce.sweep=100ms"]);
    assert_eq!(tasks(&place.received(1)), [1]);
}

#[test]
fn a_target_that_is_none_is_refused_before_anything_is_begun() {
    let place = Place::new(Database::Sqlite, broker());
    place.write("capture", "");
    let lambda = "arn:aws:lambda:eu-west-1:123456789012:function:process";
    for (target, said) in [
        ("new-task-notification", "expected the ARN of a topic"),
        (lambda, "arn:aws:lambda"),
        ("https://example.com/", "the URL of a queue looks like"),
    ] {
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["add", "t"]] {
            let database = ["--database", "sqlite://other.db"];
            let ran = place.program(target, &[&database[..], command].concat()).output().unwrap();
            let stderr = String::from_utf8(ran.stderr).unwrap();
            assert_eq!(ran.status.code(), Some(2), "{command:?}: {stderr}");
            assert!(stderr.contains(said) && stderr.contains("announce.target"), "{command:?}: {stderr}");
            assert!(ran.stdout.is_empty() && !place.has("other.db"), "{command:?}");
        }
    }
}
