//! Batches from the queue: what is finished goes, what is not comes again, what never can be becomes a dead letter.

use std::collections::BTreeSet;

use serde_json::json;
use taskwatch_core::ledger::Source;
use taskwatch_core::transition::EventKind;

use crate::place::{Place, shared};

#[test]
fn tasks_complete_and_poison_reaches_the_dead_letters_alone() {
    let place = Place::new(shared()).deployed(true);
    let tasks = place.add(&["fine", "broken", "fine", "flaky", "fine"]);
    // A row of the Python system, which knows neither ledger nor leases.
    let sql = "INSERT INTO tasks (title, status) VALUES ('from Python', 'Pending')";
    shared().sql(&place.database, sql).unwrap();
    for task in &tasks[..3] {
        place.announce(*task);
    }
    place.publish("not even JSON");
    for task in &tasks[3..] {
        place.announce(*task);
    }
    place.announce(6.try_into().unwrap());
    place.await_statuses(&["Completed", "Failed", "Completed", "Failed", "Completed", "Completed"]);

    let mut letters = place.dead_letters(3);
    letters.sort_unstable();
    let announced = |index: usize| json!({ "task_id": tasks[index], "title": "x", "description": null }).to_string();
    assert_eq!(letters, ["not even JSON".to_owned(), announced(1), announced(3)]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);

    let records = place.records();
    let by_us = records.iter().flat_map(|record| &record.entries).filter(|entry| entry.event == EventKind::Completed);
    assert!(by_us.clone().all(|entry| entry.origin.source == Source::Lambda) && by_us.count() == 4);
    let flaky: Vec<_> = records[3].entries.iter().map(|entry| entry.event).collect();
    use EventKind::{Added, Failed, Started};
    assert_eq!(flaky, [Added, Started, Failed, Started, Failed]);
    assert!(records[1].row.as_ref().unwrap().reason.as_ref().unwrap().contains("the disk is full"));
    place.audit();

    let log = place.log();
    let dead = log.lines().find(|line| line.contains("not JSON")).unwrap_or_else(|| panic!("{log}"));
    let dead: serde_json::Value = serde_json::from_str(dead).unwrap_or_else(|error| panic!("{error}: {dead}"));
    assert!(dead["level"] == "WARN" && dead["message_id"].is_string(), "{dead}");
    assert!(dead["span"]["requestId"].is_string(), "{dead}");
    assert!(!log.contains(shared().password()), "{log}");
}

#[test]
fn a_mapping_that_ignores_the_response_loses_nothing() {
    let place = Place::new(shared()).deployed(false);
    let tasks = place.add(&["fine", "flaky", "fine", "fine"]);
    for task in &tasks {
        place.announce(*task);
    }
    place.await_statuses(&["Completed", "Failed", "Completed", "Completed"]);
    let letters: BTreeSet<String> = place.dead_letters(1).into_iter().collect();
    assert!(letters.iter().any(|letter| letter.contains(&format!("\"task_id\":{}", tasks[1]))), "{letters:?}");
    place.audit();
}

#[test]
fn connections_that_died_while_the_function_was_frozen_fail_no_batch() {
    let place = Place::new(shared()).deployed(true);
    let first = place.add(&["fine"; 4]);
    first.iter().for_each(|task| place.announce(*task));
    place.await_statuses(&["Completed"; 4]);
    // The server closes them, as it does after its `wait_timeout`, and nobody is awake to see it.
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{0}'; \
         SELECT GROUP_CONCAT('KILL ', id SEPARATOR ';') FROM information_schema.processlist WHERE db = '{0}'",
        place.database
    );
    let open = shared().sql("mysql", &sql).unwrap();
    let (count, kill) = open.trim().split_once('\n').unwrap();
    assert_ne!(count, "0", "the function keeps its connections");
    shared().sql("mysql", kill).unwrap();

    let second = place.add(&["fine"; 4]);
    second.iter().for_each(|task| place.announce(*task));
    place.await_statuses(&["Completed"; 8]);
    let records = place.records();
    let workers = |range: std::ops::Range<usize>| -> BTreeSet<String> {
        let entries = records[range].iter().flat_map(|record| &record.entries);
        entries.filter(|entry| entry.event == EventKind::Started).map(|one| one.origin.worker.to_string()).collect()
    };
    assert!(!workers(0..4).is_disjoint(&workers(4..8)), "the environment is used again");
    assert!(records.iter().all(|record| record.row.as_ref().unwrap().attempt == 1));
    let log = place.log();
    assert!(!log.contains("\"ERROR\"") && !log.contains("\"WARN\""), "{log}");
    place.audit();
}
