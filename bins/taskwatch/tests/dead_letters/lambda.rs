//! The Lambda function behind the queue, in the place of the worker.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use taskwatch_core::ledger::Source;
use taskwatch_core::transition::EventKind::{Added, Completed, Failed, Replayed, Started};
use taskwatch_testbed::{Aws, python};

use crate::place::{Database, Kind, POISON, Place, shell};
use crate::programs;

/// A function of the stand-in; it ends with the value.
struct Function<'a> {
    place: &'a Place,
    name: String,
}

impl<'a> Function<'a> {
    /// Deployed, and called for what comes to the queue.
    fn behind(place: &'a Place, handler: &str) -> Self {
        let this = Self { place, name: Aws::unique("process") };
        let mut environment: Value = place.aws.environment().into_iter().chain(place.database()).collect();
        let work = [
            ("TASKWATCH_HANDLER_KIND", "command"),
            ("TASKWATCH_HANDLER_COMMAND", handler),
            ("TASKWATCH_LAMBDA_REPORT", "partial"),
            ("TASKWATCH_WORKER_BACKOFF_BASE", "1ms"),
        ];
        for (name, value) in work {
            environment[name] = json!(value);
        }
        this.call("create", &json!({ "binary": programs::function(), "environment": environment, "timeout": 20 }));
        this.call("map_queue", &json!({ "queue": place.queue.arn, "partial": true, "batch": 10 }));
        this
    }

    /// One of the calls that the function's own tests make.
    fn call(&self, call: &str, arguments: &Value) {
        let mut arguments = arguments.clone();
        arguments["name"] = json!(self.name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lambda/tests/support/functions.py");
        let mut child = Command::new(python().unwrap_or_else(|error| panic!("failed to {error}")))
            .args([script.as_os_str(), call.as_ref()])
            .envs(self.place.aws.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(arguments.to_string().as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{call}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Function<'_> {
    fn drop(&mut self) {
        // The stand-in may be that of other tests as well. One that panics has said enough.
        if !std::thread::panicking() {
            self.call("remove", &json!({}));
        }
    }
}

pub(crate) fn poison_through_the_function(database: Database, kind: Kind) {
    let place = Place::new(database, kind);
    let mended = place.path("mended");
    let work = format!("case $(cat) in *poison*) test -e {mended} || {{ echo 'not mended' >&2; exit 65; }};; esac");
    let _function = Function::behind(&place, &shell(&work));
    let good = place.add("good", 2);
    let poison = place.add(POISON, 5);
    place.until_statuses(&[("Failed", 5), ("Completed", 2)]);
    place.until("given up", || place.waiting(&place.queue) == 0 && place.counts(&place.dead) == (5, 0));

    place.replay(&["--cause", "not mended"]).ends(0).says("5 of 5 letters selected");
    assert_eq!(place.counts(&place.dead), (5, 0));
    place.replay(&["--yes", "--limit", "2", "--command", "--", "/bin/sh", "-c", "exit 0"]).ends(0).says("2 completed");
    fs::write(&mended, "").unwrap();
    place.replay(&["--yes", "--to-queue", "--reason", "mended"]).ends(0).says("3 sent");
    place.until_statuses(&[("Completed", 7)]);
    place.until("done", || place.waiting(&place.queue) == 0 && place.waiting(&place.dead) == 0);
    let mut by = Vec::new();
    for task in &poison {
        let record = place.record(*task);
        let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [Added, Started, Failed, Replayed, Started, Completed]);
        assert_eq!(record.entries[2].origin.source, Source::Lambda);
        by.push(record.entries[5].origin.source);
    }
    by.sort_unstable();
    assert_eq!(by, [Source::Lambda, Source::Lambda, Source::Lambda, Source::Replay, Source::Replay]);
    assert_eq!(place.events(good[0]), [Added, Started, Completed]);
    place.each_completed_once(1);
}
