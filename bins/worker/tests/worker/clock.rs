//! The clock of one worker's machine is set while it works; another worker has the right time.
//!
//! What holds: nothing is lost, and nothing is finished twice, whatever the clock says, since results are written under
//! tokens and messages are kept hidden by the clock of SQS. Work that runs goes on. What does not hold: a task that has to
//! wait for its next attempt waits by the clock of whoever has failed it, and is due by that of whoever receives it; and a
//! worker that dies leaves leases by its own clock.

use std::fs;
use std::path::PathBuf;

use taskwatch_core::ports::Record;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Added, Completed, Started};
use taskwatch_testbed::MariaDb;

use crate::place::{Place, Worker, note, pretending};

const HOUR: &str = "3600";
const DAY: &str = "86400";

/// A wall clock that can be set. The monotonic clock stays as it is, as it does when a machine's clock is set.
struct Wall(PathBuf);

impl Wall {
    /// A worker whose machine has this clock.
    fn worker(place: &Place, settings: &[(&str, &str)]) -> (Self, Worker) {
        let wall = Self(place.folder.path().join("clock"));
        wall.set("+0");
        let mut command = place.command(settings);
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &wall.0)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        (wall, Worker::start(&mut command))
    }

    /// To so many seconds before or after the right time.
    fn set(&self, offset: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }
}

/// Of the Debian package `faketime`, which `cargo xtask test` installs.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
    found.expect("the library of the Debian package faketime, which `cargo xtask test` installs")
}

async fn a_clock_that_leaps(there: String, words: &str, back: &str) {
    let place = Place::on(MariaDb::shared().unwrap()).await;
    place.add(&["a"; 60]).await;
    // Short leases, so that they are looked at often; many renewals beside.
    let settings = [&pretending("1500ms")[..], &[("TASKWATCH_WORKER_LEASE", "6s")]].concat();
    let (wall, mut worker) = Wall::worker(&place, &settings);
    place.until_at_least(Status::InProgress, 10).await;
    let other = place.worker(&settings);
    wall.set(&there);
    worker.says(words).await;
    // Added by the right time.
    place.add(&["b"; 60]).await;
    place.until_at_least(Status::Completed, 60).await;
    wall.set("+0");
    worker.says(back).await;
    place.add(&["c"; 20]).await;
    place.until(Status::Completed, 140).await;
    place.emptied().await;
    let records = place.records().await;
    let by = |worker: &Worker| {
        let ended = |record: &&Record| {
            let name = record.entries.last().unwrap().origin.worker.clone();
            name.split(|letter: char| !letter.is_ascii_digit()).any(|part| part == worker.id().to_string())
        };
        records.iter().filter(ended).count()
    };
    note(format_args!("{} by the one with the clock that leaps, {} by the other", by(&worker), by(&other)));
    assert!(by(&worker) > 0 && by(&other) > 0);
    for record in &records {
        let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Added, Started, Completed], "{}", worker.log());
    }
    for worker in [worker, other] {
        let (code, said) = worker.stop();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains("a result was refused")).count(), 0, "{said}");
    }
    place.audit().await;
}

#[tokio::test]
async fn it_is_set_forward_by_an_hour_and_back() {
    a_clock_that_leaps(format!("+{HOUR}"), "the clock leapt forward", "the clock leapt back").await;
}

#[tokio::test]
async fn it_is_set_back_by_a_day_and_forward() {
    a_clock_that_leaps(format!("-{DAY}"), "the clock leapt back", "the clock leapt forward").await;
}
