//! An environment that was frozen for long: the router has forgotten its connections, and nobody has told it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use taskwatch_core::transition::EventKind;
use taskwatch_testbed::{Frozen, Line};

use crate::place::{Place, shared};

/// Longer than the store takes a connection that was not used to be alive without asking.
const FROZEN: Duration = Duration::from_secs(21);

#[test]
fn connections_that_died_unseen_are_replaced_and_no_message_comes_back() {
    let line = Line::to(shared().port()).unwrap();
    // Received once and hidden for long: what is given back would not come again before the test is over.
    let place = Place::with_queue(shared(), 1);
    let hidden = json!({ "QueueUrl": place.queue.url, "Attributes": { "VisibilityTimeout": "300" } });
    place.aws.sqs("SetQueueAttributes", &hidden).unwrap();
    let url = place.url_by(&line);
    place.deploy(&[("TASKWATCH_LAMBDA_REPORT", "partial"), ("TASKWATCH_DATABASE_URL", &url)]);
    place.map(true);
    place.add(&["fine"; 4]).into_iter().for_each(|task| place.announce(task));
    place.await_statuses(&["Completed"; 4]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);

    let frozen = Frozen::by_variable("AWS_LAMBDA_FUNCTION_NAME", &place.function).unwrap();
    assert!(frozen.count() > 0);
    assert!(line.drop_silently() > 0, "the function keeps its connections");
    std::thread::sleep(FROZEN);
    let opened = line.opened();
    drop(frozen);

    place.add(&["fine"; 4]).into_iter().for_each(|task| place.announce(task));
    place.await_statuses(&["Completed"; 8]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);
    assert_eq!(place.waiting(&place.dead), 0);
    assert!(line.opened() > opened);

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
