//! Workers that are asked to end: nothing is abandoned, nothing costs an attempt.

use std::fs;
use std::time::Duration;

use crate::books::{self, Books, Kind};
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::place::Place;
use crate::{alone, until};

/// One task in three outlasts every drain, until the last worker comes.
const SCRIPT: &str = r#"
[ -e hurry ] || [ $((TASKWATCH_TASK_ID % 3)) -ne 0 ] || exec sleep 60
sleep 0.02
echo "$TASKWATCH_TASK_ID $TASKWATCH_ATTEMPT" >> effects
"#;

/// A single attempt: a shutdown that counted as a failure would end the task.
const FLAGS: [&str; 8] = [
    "--max-attempts=1",
    "--concurrency=12",
    "--drain=150ms",
    "--set",
    "worker.poll=20ms",
    "--set",
    "log.level=warn",
    "--color=never",
];

const TASKS: usize = 300;
const ROUNDS: usize = 12;

fn drains(place: &Place) {
    let mut dice = Dice::new();
    let mut fleet = Fleet::new(&FLAGS, SCRIPT);
    let added = books::add(place, &[(Kind::Plain, TASKS)]);
    for _ in 0..ROUNDS {
        fleet.fill(place, 2);
        until("all workers are at work", || {
            fleet.inspect(place);
            let entries = place.entries_of_workers();
            fleet.workers.iter().all(|worker| entries.contains_key(&worker.name))
        });
        std::thread::sleep(Duration::from_micros(dice.u64(..100_000)));
        let at = dice.usize(..2);
        let name = fleet.workers[at].name.clone();
        let status = fleet.terminate(place, at);
        assert_eq!(status.code(), Some(0), "{name}: {}", place.said(&name));
    }
    let name = fleet.workers[0].name.clone();
    assert_eq!(fleet.terminate(place, 0).code(), Some(0), "{name}: {}", place.said(&name));
    assert_eq!(place.ask("SELECT id FROM tasks WHERE status = 'In Progress'"), [""; 0], "nobody holds a lease");

    fs::write(place.path("hurry"), "").unwrap();
    fleet.start(place, &["--until-empty"]);
    assert!(fleet.end(place, 0).success());
    let books = Books::read(place);
    let faults = books.faults(&added);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    books::verify(place);
    assert_eq!((books.count("Abandoned"), books.count("Failed"), books.attempts()), (0, 0, 1));
    // The last two workers alone gave back what they had begun and could not finish.
    assert!(books.count("Released") >= ROUNDS, "{}", books.count("Released"));
}

#[test]
fn on_sqlite_a_drain_abandons_nothing_and_costs_no_attempt() {
    let _alone = alone();
    drains(&Place::sqlite());
}

#[test]
fn on_mariadb_a_drain_abandons_nothing_and_costs_no_attempt() {
    let _alone = alone();
    drains(&Place::shared_server());
}
