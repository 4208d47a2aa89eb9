//! A database that is not there: at init, and later.

use taskwatch_testbed::MariaDb;

use crate::place::Place;

#[test]
fn messages_wait_for_the_database_and_the_log_says_so_once() {
    let mut server = MariaDb::start().unwrap_or_else(|error| panic!("failed to {error}"));
    // Receives are not used up before the server is back.
    let place = Place::with_queue(&server, 100);
    let tasks = place.add(&["fine", "fine"]);
    server.kill().unwrap();

    place.deploy(&[("TASKWATCH_LAMBDA_REPORT", "partial"), ("TASKWATCH_DATABASE_CONNECT_TIMEOUT", "1s")]);
    place.map(true);
    place.announce(tasks[0]);
    let log_says = |what: &str| place.log().lines().filter(|line| line.contains(what)).count();
    let returned = || log_says("START RequestId");
    until("returned more than once", || returned() >= 3);
    assert_eq!(place.waiting(&place.queue), 1, "it is kept");
    let troubles = log_says("\"ERROR\"");
    // One for each environment: two may run at once.
    assert!((1..=2).contains(&troubles), "{}", place.log());
    assert_eq!(log_says("\"ERROR\""), log_says("failed to connect to the database"), "{}", place.log());

    server.restart().unwrap();
    place.await_statuses(&["Completed", "Pending"]);
    place.until("recovered", || log_says("recovered: the database answers again") >= 1);

    // And again, with connections that were open.
    server.kill().unwrap();
    place.announce(tasks[1]);
    let before = returned();
    until("returned again", || returned() > before);
    server.restart().unwrap();
    place.await_statuses(&["Completed", "Completed"]);
    place.until("an empty queue", || place.waiting(&place.queue) == 0);
    assert_eq!(place.waiting(&place.dead), 0);
    place.audit();
}

/// Without a look at the database.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed().as_secs() < 60, "still not {what}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
