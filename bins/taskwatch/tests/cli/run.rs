//! Working due tasks: handlers, drain, exit codes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Place, Ran};

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
    for (signals, code, status) in [(1, Some(0), "Completed"), (2, Some(130), "In Progress")] {
        let place = Place::new();
        place.run(["add", "Slow"]);
        let duration = if signals == 1 { "1500ms" } else { "60s" };
        let duration = format!("handler.simulate_duration={duration}");
        let mut command = place.command(["run", "--simulate", "--set", &duration]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| place.statuses() == ["In Progress"]);
        for _ in 0..signals {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(place.statuses(), [status], "{ran:?}");
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

fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
