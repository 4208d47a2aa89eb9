//! DNS fails and comes back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outage::{ANSWERS, Outage, said_once};
use crate::place::{Place, Worker};

const NAME: &str = "sqs.taskwatch.test";

/// What the worker takes names from, in place of DNS.
struct Names {
    library: PathBuf,
    /// While it is there, the name is known.
    known: PathBuf,
}

impl Names {
    /// Knows no name.
    fn of(place: &Place) -> Self {
        let library = place.folder.path().join("names.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worker/names.c");
        // Whoever builds the worker has a compiler for C: its cryptography needs one.
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        assert!(built.unwrap().success());
        Self { library, known: place.folder.path().join("known") }
    }

    fn are_gone(&self) {
        fs::remove_file(&self.known).unwrap();
    }

    fn are_back(&self) {
        File::create(&self.known).unwrap();
    }

    fn worker(&self, outage: &Outage) -> Worker {
        outage.worker(&[
            ("AWS_ENDPOINT_URL", &format!("http://{NAME}:{}", outage.front.port())),
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("TASKWATCH_TEST_NAMES", self.known.to_str().unwrap()),
        ])
    }
}

async fn unknown_for_a_while() {
    let outage = Outage::at(Place::new().await);
    let names = Names::of(&outage.place);
    names.are_back();
    let mut tasks = outage.place.add(&["before"; 100]).await;
    let mut worker = names.worker(&outage);
    outage.all_done(&worker, 100).await;
    names.are_gone();
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
    let names = Names::of(&outage.place);
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
