//! Looking, working the letters here, and sending them back.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use taskwatch_core::ledger::Source;
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Replayed, Started};
use taskwatch_testbed::Front;

use crate::place::{Database, Fifo, Kind, POISON, Place};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

/// What works everything.
const HERE: [&str; 5] = ["--command", "--", "/bin/sh", "-c", "exit 0"];

pub(crate) fn looked_at_and_worked_here(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let good = place.add("good", 3);
    let poison = place.add(POISON, 12);
    place.work(&[], 12, 3);
    assert_eq!(place.counts(&place.dead), (12, 0));

    let before = place.records();
    let looked = place.replay(&["--json"]).ends(0);
    let mut seen: Vec<_> = looked.letters().iter().map(|letter| letter["task"].as_i64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, poison);
    for letter in looked.letters() {
        assert_eq!(
            (&letter["class"], &letter["would"]),
            (&json!("failed"), &json!("would put the task back and work it here"))
        );
    }
    let for_people = place.replay(&["--cause", "TEMPLATE"]).ends(0).says("12 of 12 letters selected");
    assert!(for_people.stderr.contains("nothing has been done: --yes does it"), "{}", for_people.stderr);
    place.replay(&["--cause", "disk"]).ends(0).says("0 of 12 letters selected");
    assert_eq!(place.counts(&place.dead), (12, 0), "all are there, and nothing is hidden");
    assert_eq!(place.records(), before);
    assert_eq!(place.journals(), [""; 0].map(std::path::PathBuf::from), "a look leaves nothing behind");

    let why = ["--yes", "--by", "anna", "--reason", "the template is mended"];
    place.replay(&[&why[..], &HERE].concat()).ends(0).says("12 completed, 0 sent, 0 failed again, 0 dropped; 0 stay");
    assert_eq!(place.waiting(&place.dead), 0);
    for task in &poison {
        let record = place.record(*task);
        let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Added, Started, Failed, Replayed, Started, Completed]);
        let put_back = &record.entries[3];
        let said = put_back.reason.as_deref().unwrap();
        assert!(said.starts_with("by anna: the template is mended ["), "{said}");
        assert!(record.entries[3..].iter().all(|entry| entry.origin.source == Source::Replay), "{record:#?}");
    }
    for task in &good {
        assert_eq!(place.events(*task), [Added, Started, Completed]);
    }
    place.books_balance();
    let status = place.journal();
    assert_eq!((&status["settled"]["completed"], &status["kept"]), (&json!(12), &json!(0)));
    assert_eq!((&status["runs"][0]["who"], &status["held_by"]), (&json!("anna"), &Value::Null));

    let after = place.records();
    place.replay(&[&["--yes"][..], &HERE].concat()).ends(0).says("0 completed");
    assert_eq!(place.records(), after, "once more is nothing more");
}

/// A front that keeps what is sent.
pub(crate) fn listening(place: &Place) -> (Front, Arc<Mutex<Vec<Value>>>) {
    let front = Front::before(place.aws).unwrap();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    front.breaks(move |asked| {
        if asked.action == "SendMessageBatch" {
            for entry in asked.request["Entries"].as_array().unwrap() {
                let mut entry = entry.clone();
                entry["QueueUrl"] = asked.request["QueueUrl"].clone();
                kept.lock().unwrap().push(entry);
            }
        }
        None
    });
    (front, sent)
}

/// Announces a task with all that a message can carry.
pub(crate) fn announce_fully(place: &Place, task: i64, group: &str) {
    let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let mut more = json!({
        "MessageAttributes": {
            "tenant": text("acme"),
            "blob": { "DataType": "Binary.gz", "BinaryValue": "AAEC" },
            "traceparent": text(&format!("00-{TRACE}-00f067aa0ba902b7-01")),
        },
        "MessageSystemAttributes": { "AWSTraceHeader": text(XRAY) },
    });
    if place.queue.arn.ends_with(".fifo") {
        more["MessageGroupId"] = json!(group);
    }
    place.send(&place.queue, &json!({ "task_id": task, "title": "x", "description": null }).to_string(), &more);
}

pub(crate) fn sent_back(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let tasks = place.add_with(POISON, 6, &[]);
    for task in &tasks {
        announce_fully(&place, *task, &format!("g{}", task % 2));
    }
    place.work(&[], 6, 0);
    assert_eq!(place.counts(&place.dead), (6, 0));
    place.replay(&["--to-queue"]).ends(0).says(&format!("would put the task back and send it to {}", place.queue.arn));
    assert_eq!((place.waiting(&place.queue), place.counts(&place.dead)), (0, (6, 0)));

    let (front, sent) = listening(&place);
    let arguments = place.replaying(&["--yes", "--to-queue", "--by", "bo"]);
    place.run_by(&front, &arguments).ends(0).says("0 completed, 6 sent, 0 failed again");
    assert_eq!((place.waiting(&place.queue), place.waiting(&place.dead)), (6, 0));
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 6);
    let mut tasks_sent = Vec::new();
    for message in &sent {
        let attribute = |name: &str| &message["MessageAttributes"][name];
        assert_eq!(message["QueueUrl"], place.queue.url);
        assert_eq!(attribute("tenant"), &json!({ "DataType": "String", "StringValue": "acme" }));
        assert_eq!(attribute("blob"), &json!({ "DataType": "Binary.gz", "BinaryValue": "AAEC" }));
        let traceparent = attribute("traceparent")["StringValue"].as_str().unwrap();
        assert!(traceparent.contains(TRACE), "{traceparent}");
        assert!(attribute("TaskwatchEntry")["StringValue"].is_string(), "{message}");
        let body: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
        let task = body["task_id"].as_i64().unwrap();
        tasks_sent.push(task);
        if kind == Fifo {
            assert_eq!(message["MessageGroupId"], format!("g{}", task % 2));
            let once = message["MessageDeduplicationId"].as_str().unwrap();
            assert!(once.starts_with("taskwatch-"), "a new one: {once}");
        }
    }
    if kind == Fifo {
        let group = |odd| tasks_sent.iter().copied().filter(|task| task % 2 == odd).collect::<Vec<_>>();
        assert!(group(0).is_sorted() && group(1).is_sorted(), "in the order of their groups: {tasks_sent:?}");
    }
    tasks_sent.sort_unstable();
    assert_eq!(tasks_sent, tasks);

    // The template is mended; nobody has told the worker.
    place.work(&[("TASKWATCH_HANDLER_COMMAND", &crate::place::shell("exit 0"))], 0, 6);
    for task in tasks {
        let record = place.record(task);
        let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Added, Started, Failed, Replayed, Started, Completed]);
        assert!(record.entries[3].reason.as_deref().unwrap().starts_with("by bo ["), "{record:#?}");
        assert_eq!(record.entries[5].origin.source, Source::Ec2);
        assert_eq!(record.entries[5].trace.as_deref(), Some(TRACE), "the link is kept");
    }
    assert_eq!(place.waiting(&place.dead), 0);
    place.each_completed_once(1);
}

/// Of one group, one at a time and in order; groups beside each other.
pub(crate) fn in_order(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let tasks = place.add_with(POISON, 12, &[]);
    for task in &tasks {
        announce_fully(&place, *task, &format!("g{}", task % 2));
    }
    place.work(&[], 12, 0);
    let here = ["--yes", "--simulate", "--set", "handler.simulate_duration=30ms", "--concurrency", "8"];
    place.replay(&here).ends(0).says("12 completed");
    let spans: Vec<_> = tasks
        .iter()
        .map(|task| {
            let entries = place.record(*task).entries;
            (entries[4].at, entries[5].at)
        })
        .collect();
    for pair in spans.windows(3) {
        assert!(pair[0].1 <= pair[2].0, "the next of a group begins when the one before it is done: {spans:?}");
    }
    let beside = spans.windows(2).filter(|pair| pair[1].0 < pair[0].1).count();
    assert!(beside > 0, "no group has waited for the other: {spans:?}");
    place.each_completed_once(1);
}

/// Letters that do not say where they come from; SQS is asked.
pub(crate) fn from_somewhere(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let tasks = place.add_with("x", 3, &[]);
    for task in &tasks {
        place.send(&place.dead, &json!({ "task_id": task, "title": "x", "description": null }).to_string(), &json!({}));
    }
    let front = Front::before(place.aws).unwrap();
    let arguments = place.replaying(&["--yes", "--to-queue"]);
    // The stand-in does not know; there is AWS that does not say either.
    let ran = place.run_by(&front, &arguments).ends(1).says("nobody knows which queue it came from: say --to");
    assert!(ran.stderr.contains("each letter has to say itself which queue it came from"), "{}", ran.stderr);
    let other = place.queue.url.replace("queue-", "another-");
    front.answers("ListDeadLetterSourceQueues", json!({ "queueUrls": [place.queue.url, other] }));
    place.run_by(&front, &arguments).ends(1).says("it came from one of ").says("say --to");
    assert_eq!(place.waiting(&place.queue), 0);
    front.answers("ListDeadLetterSourceQueues", json!({ "queueUrls": [place.queue.url] }));
    place.run_by(&front, &[&arguments[..], &["--limit", "2"]].concat()).ends(0).says("2 sent");
    assert_eq!(place.waiting(&place.queue), 2);
    // Whoever names a queue need not ask.
    place.replay(&["--yes", "--to", &place.queue.arn]).ends(0).says("1 sent");
    place.work(&[], 0, 3);
    place.each_completed_once(0);
}

/// As a user has it who has not found the cause yet.
pub(crate) fn in_circles(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let tasks = place.add(POISON, 4);
    place.work(&[], 4, 0);
    let cap = ["--set", "replay.max_replays=2"];
    for round in 1..=2 {
        place.replay(&[&["--yes", "--to-queue"][..], &cap].concat()).ends(0).says("4 sent");
        assert_eq!(place.waiting(&place.dead), 0);
        place.work(&[], 4, 0);
        assert_eq!(place.counts(&place.dead), (4, 0), "round {round}");
    }
    let stopped = place.replay(&[&["--yes", "--to-queue", "--json"][..], &cap].concat()).ends(1);
    for letter in stopped.letters() {
        let why = letter["why"].as_str().unwrap();
        assert!(why.contains("has been put back 2 times already (replay.max_replays)"), "{why}");
    }
    assert_eq!((stopped.fates("left"), place.waiting(&place.queue)), (4, 0));
    place.replay(&["--abandon"]).ends(0).says(&format!("4 letters are back on {}", place.dead.arn));
    assert_eq!(place.counts(&place.dead), (4, 0));

    // Here as well.
    place.replay(&[&["--yes", "--json"][..], &cap, &HERE].concat()).ends(1);
    for task in &tasks {
        let replays = place.events(*task).into_iter().filter(|event| *event == Replayed).count();
        assert_eq!((replays, place.events(*task).pop()), (2, Some(Failed)));
    }
    place.books_balance();
    // Whoever knows better says so.
    place.replay(&[&["--yes", "--set", "replay.max_replays=3"][..], &HERE].concat()).ends(0).says("4 completed");
    place.each_completed_once(3);
}

/// Letters whose tasks fail again here stay in the journal, and are left alone until somebody says otherwise.
pub(crate) fn again(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(3);
    let fails = ["--command", "--", "/bin/sh", "-c", "exit 65"];
    let yes = ["--yes", "--set", "replay.max_replays=2"];
    place.replay(&[&yes[..], &fails].concat()).ends(1).says("0 completed, 0 sent, 3 failed again");
    assert_eq!((place.waiting(&place.dead), place.statuses()["Failed"]), (0, 3));
    place.replay(&[&yes[..], &HERE].concat()).ends(0).says("0 completed, 0 sent, 0 failed again");
    place.replay(&[&yes[..], &["--again"], &fails].concat()).ends(1).says("3 failed again");
    place.replay(&[&yes[..], &["--again"], &HERE].concat()).ends(1).says("put back 2 times already");
    assert_eq!(place.statuses()["Failed"], 3);
    let more = ["--yes", "--again", "--set", "replay.max_replays=3"];
    place.replay(&[&more[..], &HERE].concat()).ends(0).says("3 completed");
    place.each_completed_once(3);
}
