//! Queues that are gone, throttle, or are not for everybody.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::json;
use taskwatch_testbed::{Fault, Front};

use crate::place::{Database, Kind, Place, shell};
use crate::programs::Ran;

const DENIED: Fault = Fault::Refuse { status: 403, code: "AccessDenied" };

/// It has ended with the code for queues, and said all of this.
#[track_caller]
fn refused(ran: Ran, words: &[&str]) {
    let ran = ran.ends(6);
    for words in words {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

pub(crate) fn gone(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.aws.sqs("DeleteQueue", &json!({ "QueueUrl": place.dead.url })).unwrap();
    for arguments in [&[][..], &["--yes", "--simulate"], &["--yes", "--to-queue"]] {
        refused(place.replay(arguments), &[&place.dead.arn, "there is no such queue"]);
    }
    assert_eq!(place.journals(), [""; 0].map(std::path::PathBuf::from));
}

/// Without a right, before anything was done.
pub(crate) fn denied(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(15);
    let front = Front::before(place.aws).unwrap();
    let simulate = place.replaying(&["--yes", "--simulate"]);
    let before = place.records();
    for (action, right) in [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("GetQueueUrl", "sqs:GetQueueUrl"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
    ] {
        front.breaks(move |asked| (asked.action == action).then_some(DENIED));
        for arguments in [&place.replaying(&[])[..], &simulate] {
            refused(place.run_by(&front, arguments), &[right, &place.dead.arn]);
        }
        assert_eq!((place.counts(&place.dead), place.records() == before), ((15, 0), true), "{action}");
    }
    // A look needs another right, to give the messages back.
    front.breaks_all(&["DeleteMessageBatch", "SendMessageBatch"], DENIED);
    place.run_by(&front, &place.replaying(&[])).ends(0).says("15 of 15 letters selected");
    // They are in the journal, and on the queue: nobody works them before they are off it.
    refused(place.run_by(&front, &simulate), &["sqs:DeleteMessage", &place.dead.arn]);
    assert_eq!((place.waiting(&place.dead), place.records() == before), (15, true));
    let status = place.journal();
    assert_eq!((&status["captured"], &status["kept"]), (&json!(15), &json!(0)), "{status}");
}

/// Without a right, half-way: the letters are in the journal alone.
pub(crate) fn half_way(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(15);
    let front = Front::before(place.aws).unwrap();
    let to_queue = place.replaying(&["--yes", "--to-queue"]);
    front.breaks_all(&["SendMessageBatch"], DENIED);
    refused(place.run_by(&front, &to_queue), &["sqs:SendMessage", &place.queue.arn]);
    assert_eq!(place.waiting(&place.queue), 0);
    let nowhere_else = || assert_eq!((place.waiting(&place.dead), &place.journal()["kept"]), (0, &json!(15)));
    nowhere_else();
    // Nor does the queue take them that they came from.
    let abandon = place.replaying(&["--abandon"]);
    refused(place.run_by(&front, &abandon), &["sqs:SendMessage", &place.dead.arn]);
    nowhere_else();
    place.aws.sqs("DeleteQueue", &json!({ "QueueUrl": place.queue.url })).unwrap();
    front.heals();
    refused(place.run_by(&front, &to_queue), &["there is no such queue", &place.queue.arn]);
    nowhere_else();
    place.books_balance();

    let name = place.queue.arn.rsplit(':').next().unwrap();
    assert_eq!(place.aws.create_queue(name, &[]).unwrap(), place.queue);
    place.run_by(&front, &to_queue).ends(0).says("15 sent");
    place.work(&[("TASKWATCH_HANDLER_COMMAND", &shell("exit 0"))], 0, 15);
    place.each_completed_once(1);
}

pub(crate) fn throttled(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(5);
    let front = Front::before(place.aws).unwrap();
    front.breaks_all(&["ReceiveMessage"], Fault::THROTTLED);
    refused(place.run_by(&front, &place.replaying(&[])), &["RequestThrottled", &place.dead.arn]);
    assert_eq!((place.counts(&place.dead), place.statuses()["Failed"]), ((5, 0), 5));
    assert!(front.calls("ReceiveMessage").all > 5, "it was tried again");
    // For a while only. With a limit it need not find out whether the calls that failed hide messages.
    let arguments = place.replaying(&["--yes", "--simulate", "--limit", "5"]);
    let left = AtomicU32::new(9);
    let fewer = |left: u32| left.checked_sub(1);
    front.breaks(move |asked| {
        let is_one = asked.action == "ReceiveMessage" && left.fetch_update(Relaxed, Relaxed, fewer).is_ok();
        is_one.then_some(Fault::THROTTLED)
    });
    place.run_by(&front, &arguments).ends(0).says("5 completed");
    place.each_completed_once(1);
}
