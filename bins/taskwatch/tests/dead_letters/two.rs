//! One journal, one process; one queue, one journal.

use std::fs;

use serde_json::json;

use crate::place::{Database, Kind, Place};
use crate::programs::Running;

/// A replay that works four letters for as long as it is let.
const LONG: [&str; 7] =
    ["--yes", "--simulate", "--set", "handler.simulate_duration=1h", "--set", "worker.lease=1s", "--concurrency=4"];

pub(crate) fn second(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(10);
    let mut first = Running::start(&mut place.taskwatch(&place.replaying(&LONG)));
    place.until("at work", || place.statuses().get("In Progress") == Some(&4));
    let holder = format!("process {}", first.id());
    // Leases are renewed meanwhile.
    let ledger = || place.records().into_iter().flat_map(|record| record.entries).collect::<Vec<_>>();
    let before = ledger();
    for arguments in [&["--yes", "--simulate"][..], &["--yes", "--to-queue"], &["--abandon"]] {
        let refused = place.replay(arguments).ends(5);
        assert!(refused.stderr.contains(&holder) && refused.stderr.contains(".journal"), "{}", refused.stderr);
    }
    // Looking is for everybody.
    place.replay(&[]).ends(0).says(&format!("{holder} is at work with"));
    let status = place.journal();
    assert_eq!((&status["held_by"], &status["in_work"]), (&json!(holder), &json!(10)), "{status}");
    assert_eq!(ledger(), before);
    assert!(first.is_alive());

    // It ends, and the next may.
    first.kill();
    place.replay(&["--yes", "--simulate", "--set", "worker.lease=1s"]).ends(0);
    place.each_completed_once(1);
    assert_eq!(place.journal()["settled"]["completed"], 10);
}

pub(crate) fn abandoned(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let tasks = place.poisoned(10);
    let limited = place.replay(&["--yes", "--limit", "3", "--simulate"]).ends(0).says("3 completed");
    assert!(limited.stdout.contains("0 stay in the journal"), "no more has left the queue: {}", limited.stdout);
    assert_eq!(place.counts(&place.dead), (7, 0));
    let first = Running::start(&mut place.taskwatch(&place.replaying(&LONG)));
    place.until("at work", || place.statuses().get("In Progress") == Some(&4));
    first.kill();
    assert_eq!(place.waiting(&place.dead), 0);
    place.replay(&["--abandon", "--by", "anna"]).ends(0).says(&format!("7 letters are back on {}", place.dead.arn));
    assert_eq!(place.counts(&place.dead), (7, 0));
    let status = place.journal();
    assert_eq!((&status["sent"], &status["settled"]["completed"]), (&json!(7), &json!(3)), "{status}");
    place.replay(&["--abandon"]).ends(0).says("0 letters are back");

    // Its tasks come to their end by way of the letters, once their leases are over.
    place.replay(&["--yes", "--simulate"]).ends(0).says("7 completed");
    assert_eq!(place.records().len(), tasks.len());
    place.each_completed_once(2);
    assert_eq!(place.waiting(&place.dead), 0);
}

pub(crate) fn another_queue(database: Database, kind: Kind) {
    let (one, other) = (Place::new(database, kind), Place::new(database, kind));
    one.poisoned(2);
    other.poisoned(2);
    let journal = one.path("some.journal");
    one.replay(&["--yes", "--journal", &journal, "--limit", "1", "--simulate"]).ends(0).says("1 completed");
    let before = fs::read(&journal).unwrap();
    for arguments in [&["--yes", "--simulate"][..], &["--yes", "--to-queue"], &["--abandon"], &[]] {
        let refused = other.replay(&[arguments, &["--journal", &journal]].concat()).ends(5);
        for name in [&one.dead.arn, &other.dead.arn, &journal] {
            assert!(refused.stderr.contains(name), "{name}: {}", refused.stderr);
        }
    }
    assert_eq!(fs::read(&journal).unwrap(), before);
    assert_eq!(other.counts(&other.dead), (2, 0));
    // Nor is a file that is none.
    let other_file = other.path("other.journal");
    fs::write(&other_file, "minutes of the meeting").unwrap();
    let refused = other.replay(&["--yes", "--simulate", "--journal", &other_file]).ends(5);
    assert!(refused.stderr.contains("as a journal"), "{}", refused.stderr);
    other.books_balance();
    assert_eq!(other.counts(&other.dead), (2, 0));
}
