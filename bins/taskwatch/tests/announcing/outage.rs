//! While the broker is away, and when it is back.

use std::time::{Duration, Instant};

use taskwatch_testbed::Line;

use crate::place::{DATABASES, Database, Place, broker, tasks, until};
use crate::road::Road;

const BEGINS: &str = "failed to announce tasks";
const ENDS: &str = "recovered: tasks are announced again";

#[test]
fn a_broker_that_refuses_delays_and_loses_nothing() {
    for database in DATABASES {
        let road = Road::closed();
        let place = Place::new(database, road.port);
        let served = place.serve(&["announce.sweep=100ms"]);
        let added: Vec<i64> = (0..5).map(|n| served.add(&format!("task {n}"))).collect();
        until(|| served.logged(BEGINS) > 0);
        road.open(broker());
        let messages = place.received(5);
        // It is told after the last of them.
        until(|| served.logged(ENDS) > 0);
        place.nothing_more();
        assert_eq!(tasks(&messages), added);
        assert_eq!((served.logged(BEGINS), served.logged(ENDS)), (1, 1), "{}", served.log());
        place.books_balance();
    }
}

#[test]
fn a_broker_that_hangs_does_not_keep_the_answer() {
    let line = Line::to(broker()).unwrap();
    line.be_deaf(true);
    let place = Place::new(Database::Sqlite, line.port());
    let served = place.serve(&["announce.within=200ms", "announce.sweep=100ms"]);
    let begun = Instant::now();
    let added: Vec<i64> = (0..3).map(|n| served.add(&format!("task {n}"))).collect();
    // Each would take 5 s and more if it were waited for.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    until(|| served.logged(BEGINS) > 0);
    line.be_deaf(false);
    line.drop_silently();
    assert_eq!(tasks(&place.received(3)), added);
    until(|| served.logged(ENDS) > 0);
    assert_eq!((served.logged(BEGINS), served.logged(ENDS)), (1, 1), "{}", served.log());
}

#[test]
fn what_a_killed_server_left_behind_is_announced_by_the_next() {
    for database in DATABASES {
        let line = Line::to(broker()).unwrap();
        line.be_deaf(true);
        let place = Place::new(database, line.port());
        let served = place.serve(&["announce.within=30s"]);
        let _unanswered = served.begin("POST /tasks", "", r#"{"title": "t"}"#);
        // The row is there, and so is the announcement; the broker has been called and does not answer.
        until(|| line.opened() > 0);
        assert!(place.done(&["list"]).0.contains("Pending"));
        served.kill();
        line.be_deaf(false);
        let served = place.serve(&["announce.sweep=100ms"]);
        assert_eq!(tasks(&place.received(1)), [1]);
        place.nothing_more();
        assert_eq!(served.logged(BEGINS), 0, "{}", served.log());
    }
}
