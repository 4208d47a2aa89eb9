//! Working due tasks: handlers, drain, exit codes.

use std::io::{BufRead as _, BufReader, Read as _};

use rustix::process::Signal;

use crate::support::{Place, Ran, Running, until};

#[test]
fn due_tasks_are_worked_until_none_is_left() {
    let place = Place::new();
    place.run(["add", "Something", "--count", "40"]);
    let ran = place.run(["run", "--until-empty", "--simulate", "--set", "handler.simulate_duration=1ms"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(place.statuses().iter().all(|status| status == "Completed"));
    assert!(ran.stderr.contains("task 1 Completed"), "{ran:?}");
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn a_command_gets_the_task_and_its_last_words_become_the_reason() {
    let place = Place::new();
    place.run(["add", "fine"]);
    place.run(["add", "broken"]);
    let script =
        "task=$(cat); case $task in *broken*) echo 'the disk is full' >&2; exit 65;; *) echo \"$task\" >> out;; esac";
    let ran = place.run(["run", "--until-empty", "--command", "--", "sh", "-c", script]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed", "Failed"], "{ran:?}");
    let written = std::fs::read_to_string(place.path("out")).unwrap();
    assert!(written.contains("\"task_id\":1") && written.contains("\"title\":\"fine\""), "{written}");
    let reason = place.json(["show", "2", "--json"])["row"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the disk is full"), "{reason}");
}

#[test]
fn a_signal_drains_and_a_second_one_does_not_wait() {
    for (second, code, status) in [(false, Some(0), "Completed"), (true, Some(130), "In Progress")] {
        let place = Place::new();
        place.run(["add", "Slow", "--count", "2"]);
        // Ends with the folder at the latest.
        let script = "while [ -e tasks.db ] && [ ! -e go ]; do sleep 0.02; done";
        let mut worker =
            Running::start(&mut place.command(["run", "--concurrency", "1", "--command", "--", "sh", "-c", script]));
        until("a task in progress", || place.statuses() == ["In Progress", "Pending"]);
        worker.signal(Signal::TERM);
        worker.hear("stopping");
        if second {
            worker.signal(Signal::INT);
        } else {
            place.write("go", "");
        }
        let ran = worker.end();
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(place.statuses(), [status, "Pending"], "nothing new was started: {ran:?}");
        assert_eq!(place.run(["verify"]).code, Some(0));
    }
}

#[test]
fn without_a_handler_nothing_runs_and_the_ways_out_are_named() {
    let place = Place::new();
    place.run(["add", "x"]);
    let ran = place.run(["run"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(["--command", "--http", "--simulate"].iter().all(|flag| ran.stderr.contains(flag)), "{ran:?}");
    assert_eq!(place.statuses(), ["Pending"]);
}

#[test]
fn the_second_signal_ends_the_commands_and_all_they_have_started() {
    for first in [Signal::TERM, Signal::HUP] {
        let place = Place::new();
        place.run(["add", "Slow"]);
        let made = std::process::Command::new("mkfifo").arg(place.path("alive")).status().unwrap();
        assert!(made.success());
        // Whoever holds the pipe open is alive. The sleepers would tell of it in the end.
        let script = "exec 9>alive; (sleep 30; echo survived >&9) & echo started >&9; sleep 30; echo survived >&9";
        let mut worker = Running::start(&mut place.command(["run", "--command", "--", "sh", "-c", script]));
        let mut alive = BufReader::new(std::fs::File::open(place.path("alive")).unwrap());
        let mut said = String::new();
        alive.read_line(&mut said).unwrap();
        assert_eq!(said, "started\n");
        worker.signal(first);
        worker.hear("stopping");
        worker.signal(Signal::INT);
        let ran = worker.end();
        assert_eq!(ran.code, Some(130), "{ran:?}");
        said.clear();
        alive.read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "{first:?}: nobody has survived");
        assert_eq!(place.statuses(), ["In Progress"], "no result was made up: {ran:?}");
    }
}

#[test]
fn a_named_database_has_to_be_there_and_the_default_one_is_made() {
    let place = Place::new();
    let work = ["run", "--until-empty", "--simulate"];
    for args in [&work[..], &["migrate", "--check"]] {
        let ran: Ran = place.command(args).output().unwrap().into();
        assert_eq!(ran.code, Some(4), "{ran:?}");
        assert!(ran.stderr.contains("tasks.db") && ran.stderr.contains("`taskwatch migrate`"), "{ran:?}");
        assert!(!place.path("tasks.db").exists());
    }
    assert_eq!(place.run(["migrate"]).code, Some(0));
    assert_eq!(place.run(work).code, Some(0));

    let place = Place::with([]);
    let mut command = place.command(work);
    let ran: Ran = command.env("TASKWATCH_DATABASE_URL", "sqlite://other.db").output().unwrap().into();
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!(place.run(work).code, Some(0));
    assert!(place.path("taskwatch.db").exists() && !place.path("other.db").exists());
}
