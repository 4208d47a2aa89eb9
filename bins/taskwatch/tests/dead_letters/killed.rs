//! SIGKILL at any moment, the same command again, until all is done: nothing is lost, nothing has two effects.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Replayed, Started};

use crate::place::{Database, Fifo, Kind, Place};
use crate::programs::Running;

const LETTERS: usize = 200;

/// So often a replay is killed that is at work.
const KILLS: usize = 20;

/// Draws that can be repeated: the seed is said when a test fails.
struct Dice(u64, fastrand::Rng);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("TASKWATCH_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        Self(seed, fastrand::Rng::with_seed(seed))
    }
}

impl Drop for Dice {
    #[expect(clippy::print_stderr, reason = "belongs to the message of the failed test")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to repeat the draws: TASKWATCH_CRASH_SEED={}", self.0);
        }
    }
}

/// Works each letter for a few milliseconds. Leases are short: what a killed run had begun is waited for.
const HERE: [&str; 11] = [
    "--yes",
    "--json",
    "--simulate",
    "--set",
    "handler.simulate_duration=15ms",
    "--set",
    "worker.lease=1s",
    "--set",
    "worker.max_attempts=1000",
    "--concurrency",
    "4",
];

/// What is in the journal, in all; each letter once.
fn in_journal(place: &Place) -> (usize, Value) {
    if place.journals().is_empty() {
        return (0, Value::Null);
    }
    let status = place.journal();
    let number = |name: &str| usize::try_from(status[name].as_u64().unwrap()).unwrap();
    let settled = status["settled"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    let all: usize = ["captured", "kept", "in_work", "sending", "sent"].into_iter().map(number).sum();
    (all + usize::try_from(settled).unwrap(), status)
}

/// No letter is nowhere, and none is in the journal twice.
fn nothing_is_lost(place: &Place) {
    let (journal, status) = in_journal(place);
    let queue = place.waiting(&place.dead);
    assert!(journal <= LETTERS && journal + queue >= LETTERS, "{journal} + {queue}: {status}");
}

/// Kills replays after they have told of so many letters; the last one may go on to its end.
fn killed_at_work(place: &Place, arguments: &[&str], fate: &str) {
    let mut dice = Dice::new();
    let mut killed = 0;
    while killed < KILLS {
        let mut run = Running::start(&mut place.taskwatch(&place.replaying(arguments)));
        let (letters, micros) = (dice.1.usize(1..9), dice.1.u64(..20_000));
        if !run.says(&format!("\"fate\":\"{fate}\""), letters) {
            assert_eq!(run.stop().0, Some(0), "it came to its end before it could be killed");
            break;
        }
        thread::sleep(Duration::from_micros(micros));
        run.kill();
        killed += 1;
        nothing_is_lost(place);
    }
    assert!(killed > KILLS / 2, "killed {killed} times");
    place.replay(arguments).ends(0);
    nothing_is_lost(place);
    assert_eq!(place.waiting(&place.dead), 0);
}

/// Each task failed, was put back once, and was completed once.
fn each_had_one_effect(place: &Place) {
    for record in place.records() {
        let all: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(all[..4], [Added, Started, Failed, Replayed], "{record:#?}");
        assert_eq!(all.iter().filter(|event| **event == Replayed).count(), 1, "{record:#?}");
        assert_eq!(all.last(), Some(&Completed), "{record:#?}");
    }
    place.each_completed_once(1);
}

pub(crate) fn working(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(LETTERS);
    killed_at_work(&place, &HERE, "completed");
    each_had_one_effect(&place);
    let status = place.journal();
    assert_eq!(status["settled"]["completed"], LETTERS, "{status}");
}

pub(crate) fn sending(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(LETTERS);
    // At a rate, so that there is something to kill.
    killed_at_work(&place, &["--yes", "--json", "--to-queue", "--rate", "100/s"], "sent");
    let status = place.journal();
    assert_eq!(status["sent"], LETTERS, "{status}");
    let waiting = place.waiting(&place.queue);
    assert!(waiting >= LETTERS, "{waiting}");
    if kind == Fifo {
        assert_eq!(waiting, LETTERS, "a letter that was sent twice is there once");
    }
    let pretending = [
        ("TASKWATCH_HANDLER_KIND", "simulate"),
        ("TASKWATCH_HANDLER_COMMAND", ""),
        ("TASKWATCH_HANDLER_SIMULATE_DURATION", "0s"),
        // The second copy of a letter may come while the first is worked: it waits for the lease.
        ("TASKWATCH_WORKER_LEASE", "1s"),
    ];
    place.work(&pretending, 0, LETTERS);
    each_had_one_effect(&place);
    assert_eq!(place.waiting(&place.dead), 0);
}

/// While messages are taken off the queue. What a killed run had received is hidden: the last one waits for it.
pub(crate) fn taking(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    place.poisoned(LETTERS);
    let mut dice = Dice::new();
    let visible = || place.counts(&place.dead).0;
    let (mut half_way, mut waiting) = (0, 0);
    while waiting < 3 {
        let before = visible();
        let mut run = Running::start(&mut place.taskwatch(&place.replaying(&HERE)));
        while before > 0 && visible() == before && run.is_alive() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(dice.1.u64(..15_000)));
        assert!(run.is_alive(), "{}", run.said());
        run.kill();
        nothing_is_lost(&place);
        // Once all have been received, it waits for what a killed run may have hidden.
        if visible() > 0 { half_way += 1 } else { waiting += 1 }
    }
    assert!(half_way > 0, "none was killed in the middle");
    place.replay(&HERE).ends(0);
    nothing_is_lost(&place);
    assert_eq!(place.waiting(&place.dead), 0);
    each_had_one_effect(&place);
}
