//! A reader that goes away changes neither what is done nor the exit code.

use std::process::{Command, Stdio};

use crate::support::{Place, Ran};

/// Runs it with a standard output that nobody reads any more.
fn unheard(command: &mut Command) -> Ran {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("the program starts");
    let ran: Ran = child.wait_with_output().expect("the program ends").into();
    assert_eq!(ran.stderr.matches("failed to").count(), 0, "{ran:?}");
    ran
}

#[test]
fn books_that_do_not_balance_are_no_success() {
    let place = Place::new();
    place.run(["add", "x", "--count", "3"]);
    place.tamper("UPDATE tasks SET attempt = 7 WHERE id = 2");
    for args in [&["verify"][..], &["verify", "--json"]] {
        assert_eq!(unheard(&mut place.command(args)).code, Some(1), "{args:?}");
    }
    place.tamper("UPDATE tasks SET attempt = 0 WHERE id = 2");
    assert_eq!(unheard(&mut place.command(["verify"])).code, Some(0));
}

#[test]
fn everything_is_cancelled_and_a_refusal_counts() {
    let place = Place::new();
    place.run(["add", "x", "--count", "3"]);
    place.run(["cancel", "2"]);
    let ran = unheard(&mut place.command(["cancel", "1", "2", "3"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("task 2"), "{ran:?}");
    assert_eq!(place.statuses(), ["Cancelled"; 3]);
}

#[test]
fn every_task_is_added() {
    let place = Place::new();
    assert_eq!(unheard(&mut place.command(["add", "x", "--count", "501"])).code, Some(0));
    let list = place.json(["list", "--json", "--limit", "1000"]);
    assert_eq!(list.as_array().unwrap().len(), 501);
}

#[test]
fn bad_input_stays_bad_input() {
    let place = Place::new();
    place.run(["add", "x"]);
    place.write("capture.jsonl", "this is not JSON\n{\"task_id\": 1, \"title\": \"x\", \"description\": null}\n");
    let replay = ["replay", "capture.jsonl", "--yes", "--simulate", "--json"];
    for args in [&replay[..4], &replay] {
        assert_eq!(unheard(&mut place.command(args)).code, Some(3), "{args:?}");
    }
    assert_eq!(place.statuses(), ["Completed"]);
}
