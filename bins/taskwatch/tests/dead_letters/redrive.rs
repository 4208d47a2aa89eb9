//! Letters that SQS itself has moved: nobody has said why.

use std::time::Duration;

use serde_json::json;
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Replayed, Started};

use crate::place::{Database, Kind, POISON, Place, shell};
use crate::replay::{XRAY, announce_fully, listening};

/// Receives what is on the queue, says nothing, and so on until SQS has given it all up.
fn ignore(place: &Place, count: usize) {
    place.until("given up", || {
        place.aws.receive(&place.queue, 10, Duration::ZERO).unwrap();
        place.waiting(&place.queue) == 0 && place.waiting(&place.dead) == count
    });
}

pub(crate) fn redriven(database: Database, kind: Kind) {
    let place = Place::redriving(database, kind);
    // Nobody has ever begun these.
    let never_ran = place.add_with("nobody came to it", 4, &[]);
    never_ran.iter().for_each(|task| announce_fully(&place, *task, &task.to_string()));
    ignore(&place, 4);
    // These, a worker has failed; it leaves their messages where they are.
    let failed = place.add(POISON, 4);
    // Hidden for as short as it goes.
    let leaves = [("TASKWATCH_QUEUE_DEAD_LETTERS", "redrive"), ("TASKWATCH_QUEUE_HIDDEN", "10s")];
    let worker = place.worker(&leaves);
    place.until_statuses(&[("Failed", 4), ("Pending", 4)]);
    place.until("given up", || place.waiting(&place.queue) == 0 && place.waiting(&place.dead) == 8);
    worker.stop();

    let looked = place.replay(&["--json", "--to-queue"]).ends(0);
    let count = |class: &str| looked.letters().iter().filter(|letter| letter["class"] == class).count();
    assert_eq!((count("never-ran"), count("failed")), (4, 4), "{}", looked.stdout);
    assert_eq!(place.counts(&place.dead), (8, 0));

    // SQS says itself which queue they are from.
    let (front, sent) = listening(&place);
    let back = place.replaying(&["--yes", "--to-queue", "--class", "never-ran"]);
    place.run_by(&front, &back).ends(0).says("0 completed, 4 sent, 0 failed again, 0 dropped; 4 stay in the journal");
    for message in &*sent.lock().unwrap() {
        let header = &message["MessageSystemAttributes"]["AWSTraceHeader"];
        assert_eq!((&header["StringValue"], &message["QueueUrl"]), (&json!(XRAY), &json!(place.queue.url)));
    }
    assert_eq!(sent.lock().unwrap().len(), 4);
    assert_eq!((place.waiting(&place.queue), place.waiting(&place.dead)), (4, 0));
    let mended = ("TASKWATCH_HANDLER_COMMAND", shell("exit 0"));
    place.work(&[leaves[0], (mended.0, &mended.1)], 4, 4);
    for task in &never_ran {
        assert_eq!(place.events(*task), [Added, Started, Completed], "it was never put back: it was Pending");
    }
    place.replay(&["--yes", "--command", "--", "/bin/sh", "-c", "exit 0"]).ends(0).says("4 completed");
    for task in &failed {
        assert_eq!(place.events(*task), [Added, Started, Failed, Replayed, Started, Completed]);
    }
    assert_eq!((place.waiting(&place.queue), place.waiting(&place.dead)), (0, 0));
    assert_eq!(place.journal()["sent"], json!(4));
    place.each_completed_once(1);
}
