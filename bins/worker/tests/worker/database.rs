//! The database crashes, is away, fails over, is full, is slow.

use std::thread;
use std::time::{Duration, Instant};

use taskwatch_core::task::Status;
use taskwatch_testbed::{Line, MariaDb};

use crate::place::{Place, Worker, note, pretending};
use crate::processes::cpu;

const BACK: &str = "recovered: the database answers again";

/// How long an outage is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// Looks at a worker in the middle of an outage: it tries, and not too often.
async fn it_is_patient(worker: &Worker, line: &Line) {
    let (opened, used) = (line.opened(), cpu(worker.id()));
    tokio::time::sleep(LOOK).await;
    let (opened, used) = (line.opened() - opened, cpu(worker.id()) - used);
    note(format_args!("during {LOOK:?} of the outage: {opened} connections, {used:?} of processor time"));
    // A tight circle would make thousands, and use all of a processor.
    assert!(opened <= 60, "{opened} connections within {LOOK:?}: {}", worker.log());
    assert!(used < LOOK / 3, "{used:?} of processor time within {LOOK:?}: {}", worker.log());
}

/// Each of the things that stand in the way is told once when it begins, and once when it is over.
fn each_trouble_is_told_once(said: &str, outages: usize) {
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    let begun = count(" ERROR ");
    assert_eq!(count(BACK), outages, "{said}");
    assert_eq!(begun, count(" recovered: "), "{said}");
    // The database, the renewal of leases.
    assert!((outages..=2 * outages).contains(&begun), "{said}");
}

#[tokio::test]
async fn it_crashes_in_the_middle_and_comes_back() {
    let mut server = MariaDb::start().unwrap();
    let line = Line::to(server.port()).unwrap();
    let place = Place::by(&server, &line).await;
    place.add(&["a"; 300]).await;
    let mut worker = place.worker(&pretending("200ms"));
    place.until_at_least(Status::Completed, 50).await;
    server.kill().unwrap();
    worker.says(" ERROR ").await;
    it_is_patient(&worker, &line).await;
    server.restart().unwrap();
    let back = Instant::now();
    worker.says(BACK).await;
    note(format_args!("recovered {:?} after the database", back.elapsed()));
    place.until(Status::Completed, 300).await;
    let said = place.ended_well(worker).await;
    each_trouble_is_told_once(&said, 1);
}

#[tokio::test]
async fn it_is_away_when_the_worker_starts() {
    let mut server = MariaDb::start().unwrap();
    let line = Line::to(server.port()).unwrap();
    let place = Place::by(&server, &line).await;
    place.add(&["a"; 30]).await;
    server.kill().unwrap();
    let (code, said) = Worker::start(place.command(&pretending("5ms")).arg("--check")).end();
    assert_eq!(code, Some(4), "{said}");
    let mut worker = place.worker(&pretending("5ms"));
    worker.says(" ERROR ").await;
    it_is_patient(&worker, &line).await;
    server.restart().unwrap();
    let back = Instant::now();
    worker.says(BACK).await;
    note(format_args!("recovered {:?} after the database", back.elapsed()));
    place.until(Status::Completed, 30).await;
    let said = place.ended_well(worker).await;
    each_trouble_is_told_once(&said, 1);
}

/// As on RDS with a standby: for a while the old server takes no writes; then it is gone without a word, and the address
/// leads to another server on the same data.
#[tokio::test]
async fn it_fails_over() {
    let mut server = MariaDb::start().unwrap();
    let line = Line::to(server.port()).unwrap();
    let place = Place::by(&server, &line).await;
    let user = format!("'{}'@'127.0.0.1'", server.user());
    server.sql("mysql", &format!("REVOKE READ_ONLY ADMIN, SUPER ON *.* FROM {user}")).unwrap();
    place.add(&["a"; 400]).await;
    let mut worker = place.worker(&pretending("250ms"));
    place.until_at_least(Status::Completed, 50).await;
    server.sql("mysql", "SET GLOBAL read_only = 1").unwrap();
    worker.says("read-only").await;
    it_is_patient(&worker, &line).await;
    server.sql("mysql", "SET GLOBAL read_only = 0").unwrap();
    let back = Instant::now();
    worker.says(BACK).await;
    note(format_args!("recovered {:?} after the database took writes again", back.elapsed()));

    place.until_at_least(Status::Completed, 150).await;
    line.be_deaf(true);
    assert!(line.drop_silently() > 0);
    line.lead_to(server.fail_over().unwrap());
    line.be_deaf(false);
    let back = Instant::now();
    let place = place.moved_to(&server).await;
    let before = place.statuses().await["Completed"];
    assert!(before < 400, "all was done before there was a failover");
    place.until_at_least(Status::Completed, before + 1).await;
    note(format_args!("at work again {:?} after the failover, of which it was told nothing", back.elapsed()));
    place.until(Status::Completed, 400).await;
    let said = place.ended_well(worker).await;
    // What had not come to its commit is repeated on a new connection, and that is all: there may be nothing to tell.
    let outages = said.lines().filter(|line| line.contains(BACK)).count();
    assert!((1..=2).contains(&outages), "{said}");
    each_trouble_is_told_once(&said, outages);
}

#[tokio::test]
async fn it_is_full_until_somebody_makes_room() {
    let files = "--innodb-data-file-path=ibdata1:12M;ibdata2:8M";
    let server = MariaDb::start_with(&[files, "--innodb-file-per-table=0"]).unwrap();
    let line = Line::to(server.port()).unwrap();
    let place = Place::by(&server, &line).await;
    place.add(&["a"; 400]).await;
    let junk = "CREATE DATABASE junk; CREATE TABLE junk.junk (id INT AUTO_INCREMENT PRIMARY KEY, b TEXT);
                INSERT INTO junk.junk (b) VALUES (REPEAT('x', 4000));";
    server.sql("mysql", junk).unwrap();
    let fill = || {
        // Ever smaller pieces, until not even one fits.
        [1000, 100, 10, 1].map(|at_once| {
            let more = format!("INSERT INTO junk (b) SELECT b FROM junk LIMIT {at_once}");
            std::iter::repeat_with(|| server.sql("junk", &more)).find_map(Result::err).unwrap().to_string()
        })
    };
    let refused = fill();
    assert!(refused.iter().all(|why| why.contains("is full")), "{refused:?}");
    let mut worker = place.worker(&pretending("20ms"));
    worker.says("is full").await;
    it_is_patient(&worker, &line).await;
    let before = place.statuses().await;
    server.sql("mysql", "DROP TABLE junk.junk").unwrap();
    let back = Instant::now();
    let left = 400 - before.get("Completed").unwrap_or(&0);
    place.until(Status::Completed, 400).await;
    note(format_args!("the other {left} were done {:?} after there was room", back.elapsed()));
    let said = place.ended_well(worker).await;
    // What does not need more room gets through.
    let full = said.lines().filter(|line| line.contains(" ERROR ")).count();
    assert!((1..=4).contains(&full), "{said}");
    each_trouble_is_told_once(&said, said.lines().filter(|line| line.contains(BACK)).count());
}

#[tokio::test]
async fn it_is_slow() {
    let server = MariaDb::shared().unwrap();
    let line = Line::to(server.port()).unwrap();
    line.be_slow(Duration::from_millis(60));
    let place = Place::by(server, &line).await;
    place.add(&["a"; 150]).await;
    let worker = place.worker(&pretending("5ms"));
    place.until(Status::Completed, 150).await;
    let said = place.ended_well(worker).await;
    each_trouble_is_told_once(&said, 0);
}

/// Another program keeps rows locked while their results are to be written, for longer than their leases.
#[tokio::test]
async fn somebody_keeps_rows_locked_for_longer_than_a_lease() {
    let server = MariaDb::shared().unwrap();
    let place = Place::on(server).await;
    let tasks = place.add(&["a"; 60]).await;
    let settings = [&pretending("3s")[..], &[("TASKWATCH_WORKER_LEASE", "4s")]].concat();
    let worker = place.worker(&settings);
    place.until_at_least(Status::InProgress, 3).await;
    let database = place.database_name();
    let running = server.sql(&database, "SELECT id FROM tasks WHERE status = 'In Progress' LIMIT 3").unwrap();
    let running = running.lines().collect::<Vec<_>>().join(", ");
    // Rows, and no gaps between them: those would hold up whatever becomes their neighbour.
    let lock = format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; SELECT status FROM tasks WHERE id IN \
         ({running}) FOR UPDATE; SELECT SLEEP(10); SELECT COUNT(*) FROM tasks WHERE status = 'Completed'; COMMIT"
    );
    let said = thread::scope(|scope| scope.spawn(|| server.sql(&database, &lock).unwrap()).join().unwrap());
    let said: Vec<&str> = said.lines().collect();
    let completed: usize = said.last().unwrap().parse().unwrap();
    note(format_args!("while three rows were locked for 10 s, {completed} others were completed"));
    assert!(completed >= 20, "{said:?}");
    place.until(Status::Completed, tasks.len()).await;
    let said = place.ended_well(worker).await;
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    let told = count("leases are not renewed");
    assert!(told == count("recovered: nobody keeps rows locked") && (1..=3).contains(&told), "{said}");
    assert_eq!(count(" ERROR "), 0, "{said}");
}

/// Another program changes many rows at once, in another order.
#[tokio::test]
async fn a_second_writer_causes_deadlocks() {
    let server = MariaDb::shared().unwrap();
    let place = Place::on(server).await;
    let tasks = place.add(&["a"; 200]).await;
    let worker = place.worker(&pretending("20ms"));
    let database = place.database_name();
    let backwards: Vec<String> = tasks
        .iter()
        .rev()
        .map(|task| format!("UPDATE tasks SET description = CONCAT(IFNULL(description, ''), '.') WHERE id = {task};"))
        .collect();
    // Each keeps what it has locked until its end. Where it is the one that is rolled back, that is an error.
    let transaction = format!("START TRANSACTION; {} COMMIT;", backwards.concat());
    let mut rounds = 0;
    while place.statuses().await.get(Status::Completed.as_str()) != Some(&tasks.len()) {
        let _ = server.sql(&database, &transaction);
        rounds += 1;
        assert!(rounds < 1000, "{}", worker.log());
    }
    note(format_args!("{rounds} transactions of the other"));
    place.ended_well(worker).await;
}
