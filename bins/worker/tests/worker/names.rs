//! DNS fails and comes back.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use taskwatch_testbed::find_library;

use crate::outage::{ANSWERS, Outage, said_once};
use crate::place::{Place, Worker};

const NAME: &str = "sqs.taskwatch.test";

/// What the worker takes names from, in place of DNS.
struct Names {
    file: PathBuf,
    changes: u64,
}

impl Names {
    /// Knows no name.
    fn of(place: &Place) -> Self {
        let mut names = Self { file: place.folder.path().join("hosts"), changes: 0 };
        names.are("");
        names
    }

    fn are(&mut self, lines: &str) {
        self.changes += 1;
        fs::write(&self.file, lines).unwrap();
        // It is read anew when its date in seconds has changed.
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.changes);
        File::options().write(true).open(&self.file).unwrap().set_modified(date).unwrap();
    }

    fn are_back(&mut self) {
        self.are(&format!("127.0.0.1 {NAME}\n"));
    }

    fn worker(&self, outage: &Outage) -> Worker {
        let library = find_library("libnss_wrapper.so").unwrap_or_else(|error| panic!("failed to {error}"));
        outage.worker(&[
            ("AWS_ENDPOINT_URL", &format!("http://{NAME}:{}", outage.front.port())),
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("NSS_WRAPPER_HOSTS", self.file.to_str().unwrap()),
        ])
    }
}

async fn unknown_for_a_while() {
    let outage = Outage::at(Place::new().await);
    let mut names = Names::of(&outage.place);
    names.are_back();
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = names.worker(&outage);
    outage.all_done(&worker, 100).await;
    names.are("");
    // Connections that are open need no name.
    outage.front.hangs_up();
    worker.says("dns error").await;
    outage.is_calm(&worker).await;
    tasks.extend(outage.place.add(&["meanwhile"; 200]).await);
    names.are_back();
    outage.recovers(&mut worker, 300).await;
    outage.once(&tasks).await;
    said_once(&worker, "dns error", ANSWERS);
}

async fn unknown_at_the_start() {
    let outage = Outage::at(Place::new().await);
    let mut names = Names::of(&outage.place);
    let tasks = outage.place.add(&["x"; 200]).await;
    let mut worker = names.worker(&outage);
    worker.says("dns error").await;
    outage.is_calm(&worker).await;
    assert_eq!(outage.front.all_calls().all, 0);
    names.are_back();
    outage.recovers(&mut worker, 200).await;
    outage.once(&tasks).await;
    said_once(&worker, "dns error", ANSWERS);
}

#[tokio::test]
async fn names_are_unknown() {
    tokio::join!(unknown_for_a_while(), unknown_at_the_start());
}
