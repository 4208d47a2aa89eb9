//! The first thing that people run.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use rustix::process::Signal;

use crate::support::{Place, Running, until};

#[test]
fn the_demo_keeps_its_promises_in_time_and_leaves_a_database_that_balances() {
    let place = Place::new();
    let ran = place.run(["demo", "--tasks", "100", "--keep", "tasks.db"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("the books balance") && !ran.stdout.contains("NO "), "{ran:?}");
    assert!(ran.stderr.contains("settled"), "plain lines where there is no terminal: {ran:?}");
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(['\x1b', '\r', '█', '░']), "{ran:?}");
    let kept: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["tasks.db"], "one file is kept, and it is whole");
    assert_eq!(place.run(["verify"]).code, Some(0));
    let again = place.run(["demo", "--keep", "tasks.db"]);
    assert_eq!(again.code, Some(2), "a database is never overwritten: {again:?}");
    assert!(again.stderr.contains("tasks.db"), "{again:?}");
}

#[test]
fn a_demo_whose_file_cannot_be_made_says_so() {
    let place = Place::new();
    let nowhere = place.run(["demo", "--keep", "no/such/folder/tasks.db"]);
    assert_eq!(nowhere.code, Some(4), "{nowhere:?}");
    assert!(nowhere.stderr.contains("no/such/folder"), "{nowhere:?}");
}

#[test]
fn a_demo_that_is_terminated_keeps_what_it_was_to_keep_and_nothing_else() {
    for (signal, keep) in [(Signal::TERM, true), (Signal::INT, false)] {
        let place = Place::new();
        let mut command = place.command(["demo", "--tasks", "2000"]);
        if keep {
            command.args(["--keep", "tasks.db"]);
        }
        command.env("TMPDIR", place.path(""));
        let mut demo = Running::start(&mut command);
        demo.hear("/2003 settled");
        demo.signal(signal);
        let ran = demo.end();
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert!(ran.stderr.contains("interrupted"), "{ran:?}");
        let left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, if keep { vec!["tasks.db"] } else { Vec::new() });
        if keep {
            assert_eq!(place.run(["verify"]).code, Some(0), "in mid-work, the books balance too");
        }
    }
}

#[test]
fn a_demo_that_is_terminated_takes_the_second_worker_along() {
    let place = Place::new();
    // This signal is for the demo alone: on a terminal, the second worker would get one too, and drain.
    let demo = Running::start(place.command(["demo"]).env("TMPDIR", place.path("")));
    until("a second worker", || processes_about(&place) == 2);
    demo.signal(Signal::TERM);
    let ran = demo.end();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    until("the end of the second worker", || processes_about(&place) == 0);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "{ran:?}");
}

/// How many processes of the program work in this place's folder, or in one below.
fn processes_about(place: &Place) -> usize {
    let folder = place.path("").canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let works_there = |process: &std::path::PathBuf| {
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder))
            && std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("taskwatch"))
    };
    processes.filter(works_there).count()
}
