//! A worker that stands still for longer than its leases last, and then goes on as if nothing had happened.

use std::fs;
use std::time::Duration;

use crate::books::{self, Books, Kind};
use crate::fleet::Fleet;
use crate::place::Place;
use crate::{alone, until};

/// The first attempts wait for one file, the second ones for another; after a failed test nobody waits any longer.
const SCRIPT: &str = r#"
echo "$TASKWATCH_TASK_ID" >> "begun-$TASKWATCH_ATTEMPT"
until [ -e "go-$TASKWATCH_ATTEMPT" ] || [ ! -e "begun-$TASKWATCH_ATTEMPT" ]; do sleep 0.02; done
echo "$TASKWATCH_TASK_ID $TASKWATCH_ATTEMPT" >> effects
"#;

/// A lease that a live worker can renew in time, however busy the machine is.
const FLAGS: [&str; 6] = ["--lease=3s", "--set", "worker.poll=20ms", "--set", "log.level=warn", "--color=never"];

const TASKS: usize = 8;

fn refuses(place: &Place) {
    let added = books::add(place, &[(Kind::Plain, TASKS)]);
    let mut fleet = Fleet::new(&FLAGS, SCRIPT);
    // By the work itself: between the claim and the start of a script the worker could be frozen too.
    let begun = |attempt: u32| {
        let begun = fs::read_to_string(place.path(&format!("begun-{attempt}"))).unwrap_or_default();
        begun.lines().count() == TASKS
    };
    fleet.fill(place, 1);
    until("the first worker holds all tasks", || begun(1));
    loop {
        fleet.workers[0].freeze();
        if place.is_unlocked() {
            break;
        }
        // In the middle of a transaction it would stand in the way of all others.
        fleet.workers[0].thaw();
        std::thread::sleep(Duration::from_millis(3));
    }
    fleet.fill(place, 2);
    until("the second worker has taken all tasks over", || begun(2));

    // What the first one has started does not stand still, and reaches its end.
    fs::write(place.path("go-1"), "").unwrap();
    until("the work of the first attempts is done", || place.effects().len() == TASKS);
    fleet.workers[0].thaw();
    until("each late result is refused", || {
        assert_eq!(place.ask("SELECT status FROM tasks"), ["In Progress"; TASKS], "a late result has counted");
        place.said("worker-1").matches("the lease had been lost").count() >= TASKS
    });

    fs::write(place.path("go-2"), "").unwrap();
    until("the second attempts count", || place.ask("SELECT status FROM tasks") == ["Completed"; TASKS]);
    while !fleet.workers.is_empty() {
        assert!(fleet.terminate(place, 0).success());
    }
    let books = Books::read(place);
    assert_eq!(books.faults(&added), [""; 0]);
    books::verify(place);
    assert_eq!((books.count("Abandoned"), books.attempts(), books.repeated_work()), (TASKS, 2, TASKS));
}

#[test]
fn on_sqlite_a_worker_that_comes_back_too_late_is_refused() {
    let _alone = alone();
    refuses(&Place::sqlite());
}

#[test]
fn on_mariadb_a_worker_that_comes_back_too_late_is_refused() {
    let _alone = alone();
    refuses(&Place::shared_server());
}
