//! The first thing that people run.

use std::time::{Duration, Instant};

use crate::support::Place;

#[test]
fn the_demo_keeps_its_promises_in_time_and_leaves_a_database_that_balances() {
    let place = Place::new();
    let start = Instant::now();
    let ran = place.run(["demo", "--tasks", "100", "--keep", "tasks.db"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(ran.stdout.contains("the books balance") && !ran.stdout.contains("NO "), "{ran:?}");
    assert!(ran.stderr.contains("settled"), "plain lines where there is no terminal: {ran:?}");
    assert_eq!(place.run(["verify"]).code, Some(0));
    let again = place.run(["demo", "--keep", "tasks.db"]);
    assert_eq!(again.code, Some(2), "a database is never overwritten: {again:?}");
}
