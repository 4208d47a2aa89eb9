//! JSON that scripts read: nothing in it is rounded or has to be put together.

use crate::support::Place;

#[test]
fn leases_are_strings_of_hexadecimal_digits() {
    let place = Place::new();
    place.run(["add", "a"]);
    place.run(["run", "--until-empty", "--simulate"]);
    let record = place.json(["show", "1", "--json"]);
    let leases: Vec<_> = record["entries"].as_array().unwrap().iter().map(|entry| &entry["lease"]).collect();
    let given: Vec<_> = leases.iter().filter_map(|lease| lease.as_str()).collect();
    assert!(!given.is_empty(), "{record:#}");
    for lease in given {
        assert!(lease.len() == 16 && lease.chars().all(|c| c.is_ascii_hexdigit()), "{lease}");
    }
    assert!(leases.iter().all(|lease| lease.is_string() || lease.is_null()), "{record:#}");
}

#[test]
fn the_time_to_wait_is_one_number_of_seconds() {
    let place = Place::new();
    place.run(["add", "a", "--not-before", "1h"]);
    place.write("capture.jsonl", r#"{"task_id": 1, "title": "a", "description": null}"#);
    let ran = place.run(["replay", "capture.jsonl", "--yes", "--simulate", "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(report["fate"], "later");
    assert!(report["after"].as_f64().is_some_and(|wait| wait > 3000.0), "{report:#}");
}
