//! Queues that are gone, throttle, or are not for everybody.

use serde_json::json;
use taskwatch_testbed::{Fault, Front};

use crate::place::{Fifo, Maria, Place, Sqlite, Standard};

const DENIED: Fault = Fault::Refuse { status: 403, code: "AccessDenied" };

#[test]
fn a_queue_that_is_gone_is_named() {
    let place = Place::new(Sqlite, Standard);
    place.aws.sqs("DeleteQueue", &json!({ "QueueUrl": place.dead.url })).unwrap();
    for arguments in [&[][..], &["--yes", "--simulate"], &["--yes", "--to-queue"]] {
        let refused = place.replay(arguments).ends(6);
        assert!(refused.stderr.contains(&place.dead.arn), "{}", refused.stderr);
        assert!(refused.stderr.contains("there is no such queue"), "{}", refused.stderr);
    }
    assert_eq!(place.journals(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn without_rights_it_says_which_and_nothing_is_lost() {
    let place = Place::new(Maria, Standard);
    place.poisoned(15);
    let front = Front::before(place.aws).unwrap();
    let simulate = place.replaying(&["--yes", "--simulate"]);
    let to_queue = place.replaying(&["--yes", "--to-queue"]);
    let before = place.records();
    for (action, right) in [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("GetQueueUrl", "sqs:GetQueueUrl"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
    ] {
        front.breaks(move |asked| (asked.action == action).then_some(DENIED));
        for arguments in [&place.replaying(&[])[..], &simulate] {
            let refused = place.run_by(&front, arguments).ends(6);
            assert!(refused.stderr.contains(right) && refused.stderr.contains(&place.dead.arn), "{}", refused.stderr);
        }
        assert_eq!((place.counts(&place.dead), place.records() == before), ((15, 0), true), "{action}");
    }
    // They are in the journal, and on the queue: nobody works them before they are off it.
    front.breaks_all(&["DeleteMessageBatch"], DENIED);
    let refused = place.run_by(&front, &simulate).ends(6);
    assert!(refused.stderr.contains("sqs:DeleteMessage"), "{}", refused.stderr);
    assert_eq!((place.waiting(&place.dead), place.records() == before), (15, true));
    // They are in the journal alone, and the other queue does not take them.
    front.breaks_all(&["SendMessageBatch"], DENIED);
    let refused = place.run_by(&front, &to_queue).ends(6);
    assert!(
        refused.stderr.contains("sqs:SendMessage") && refused.stderr.contains(&place.queue.arn),
        "{}",
        refused.stderr
    );
    assert_eq!((place.waiting(&place.dead), place.waiting(&place.queue)), (0, 0));
    let status = place.journal();
    assert_eq!(status["kept"], 15, "{status}");
    // Nor does the one that they came from.
    let abandon = place.replaying(&["--abandon"]);
    let refused = place.run_by(&front, &abandon).ends(6);
    assert!(refused.stderr.contains(&place.dead.arn), "{}", refused.stderr);
    assert_eq!(place.journal()["kept"], 15);

    front.heals();
    place.run_by(&front, &to_queue).ends(0).says("15 sent");
    place.work(&[("TASKWATCH_HANDLER_COMMAND", &crate::place::shell("exit 0"))], 0, 15);
    place.each_completed_once(1);
}

#[test]
fn a_queue_that_throttles_is_waited_for_and_then_named() {
    let place = Place::new(Sqlite, Fifo);
    place.poisoned(5);
    let front = Front::before(place.aws).unwrap();
    front.breaks_all(&["ReceiveMessage"], Fault::THROTTLED);
    let arguments = place.replaying(&["--yes", "--simulate"]);
    let refused = place.run_by(&front, &arguments).ends(6);
    assert!(
        refused.stderr.contains("RequestThrottled") && refused.stderr.contains(&place.dead.arn),
        "{}",
        refused.stderr
    );
    assert_eq!((place.counts(&place.dead), place.statuses()["Failed"]), ((5, 0), 5));
    assert!(front.calls("ReceiveMessage").all > 5, "it was tried again");
    // For a while only.
    let left = std::sync::atomic::AtomicU32::new(9);
    let fewer = |left: u32| left.checked_sub(1);
    use std::sync::atomic::Ordering::Relaxed;
    front.breaks(move |_| left.fetch_update(Relaxed, Relaxed, fewer).is_ok().then_some(Fault::THROTTLED));
    place.run_by(&front, &arguments).ends(0).says("5 completed");
    place.each_completed_once(1);
}
