//! add, list, show, cancel, and the settings they stand on.

use crate::support::Place;

#[test]
fn a_task_is_added_listed_shown_and_called_off() {
    let place = Place::new();
    let added = place.run(["add", "Send the invoice", "--description", "No. 4711", "--max-attempts", "3"]);
    assert_eq!((added.code, &*added.stdout), (Some(0), "added task 1\n"), "{added:?}");

    let listed = place.run(["list", "--status", "pending"]);
    assert!(listed.stdout.contains("Send the invoice"), "{listed:?}");
    assert!(!listed.stdout.contains('\x1b'), "colour is for terminals: {listed:?}");
    let coloured = place.run(["--color", "always", "list"]);
    assert!(coloured.stdout.contains('\x1b'), "{coloured:?}");

    let shown = place.run(["show", "1"]);
    assert!(["No. 4711", "Added", "0 of 3"].iter().all(|part| shown.stdout.contains(part)), "{shown:?}");
    assert_eq!(place.json(["show", "1", "--json"])["entries"][0]["event"], "Added");

    let cancelled = place.run(["cancel", "1", "--reason", "the customer called"]);
    assert_eq!((cancelled.code, &*cancelled.stdout), (Some(0), "cancelled task 1\n"), "{cancelled:?}");
    assert_eq!(place.statuses(), ["Cancelled"]);
    let record = place.json(["show", "1", "--json"]);
    let reason = record["entries"][1]["reason"].as_str().unwrap();
    assert!(reason.ends_with("the customer called"), "{reason}");

    let again = place.run(["cancel", "1", "99"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("task 99: no such task"), "{again:?}");
}

#[test]
fn a_key_adds_once_and_a_count_many_times() {
    let place = Place::new();
    assert_eq!(place.run(["add", "Once", "--key", "k"]).stdout, "added task 1\n");
    assert_eq!(place.run(["add", "Once", "--key", "k"]).stdout, "task 1 has this key already\n");
    assert_eq!(place.run(["add", "Many", "--count", "1200"]).stdout.lines().count(), 1200);
    let page = place.json(["list", "--json", "--limit", "2", "--before", "1000", "--title", "Many"]);
    let ids: Vec<_> = page.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [999, 998]);
}

#[test]
fn what_makes_no_sense_is_refused_with_2() {
    let place = Place::new();
    for args in [
        &["add", ""][..],
        &["add", "x", "--count", "2", "--key", "k"],
        &["add", "x", "--max-attempts", "0"],
        &["add", "x", "--not-before", "tomorrow"],
        &["add", &"x".repeat(256)],
        &["list", "--status", "done"],
        &["show", "0"],
        &["run", "--until-empty"],
        &["run", "--simulate", "--http", "http://localhost/"],
        &["run", "--command"],
        &["--set", "worker.leese=9s", "list"],
        &["--set", "worker.lease=forever", "list"],
        &["nonsense"],
    ] {
        let ran: crate::support::Ran = place.command(args).output().unwrap().into();
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let place = Place::new();
    let flag = place.run(["--set", "worker.leese=9s", "add", "x"]);
    assert!(flag.stderr.contains("worker.leese") && flag.stderr.contains("worker.lease"), "{flag:?}");
    let mut command = place.command(["add", "x"]);
    let variable: crate::support::Ran = command.env("TASKWATCH_WORKER_LEESE", "9s").output().unwrap().into();
    assert_eq!(variable.code, Some(2), "{variable:?}");
    assert!(variable.stderr.contains("TASKWATCH_WORKER_LEESE"), "{variable:?}");
    place.write("other.toml", "[worker]\nleese = \"9s\"\n");
    let file = place.run(["--config", "other.toml", "add", "x"]);
    assert_eq!(file.code, Some(2), "{file:?}");
    assert!(file.stderr.contains("worker.leese"), "{file:?}");
    assert!(!place.path("tasks.db").exists(), "nothing was done");
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let place = Place::new();
    let shown = place.run(["settings"]);
    let line = shown.stdout.lines().find(|line| line.contains("worker.poll")).unwrap();
    assert!(line.contains("20ms") && line.contains("command line"), "{line}");
    let markdown = place.run(["settings", "--markdown"]);
    assert!(markdown.stdout.contains("| `worker.lease` | `TASKWATCH_WORKER_LEASE` |"), "{markdown:?}");
    let generated = include_str!("../../../../adapters/settings/SETTINGS.md");
    assert!(generated.ends_with(&format!("\n\n{}", markdown.stdout)), "the documentation holds what is printed");
}

#[test]
fn settings_before_the_command_and_after_it_all_count() {
    let place = Place::new();
    let ran = place.run(["--set", "worker.lease=7s", "settings", "--set", "worker.drain=8s"]);
    let line = |key: &str| ran.stdout.lines().find(|line| line.contains(key)).unwrap_or_default();
    assert!(line("worker.lease").contains("7s") && line("worker.drain").contains("8s"), "{ran:?}");
}

#[test]
fn a_database_that_is_not_there_is_not_invented_by_a_question() {
    let place = Place::new();
    for args in [&["list"][..], &["show", "1"], &["verify"], &["cancel", "1"]] {
        let ran: crate::support::Ran = place.command(args).output().unwrap().into();
        assert_eq!(ran.code, Some(4), "{args:?}: {ran:?}");
    }
    assert!(!place.path("tasks.db").exists());
    place.write("tasks.db", "this is no database, whatever its name may say; it is long enough to look at");
    assert_eq!(place.run(["add", "x"]).code, Some(4));
    let migrated = place.run(["--set", "database.connect_timeout=1s", "migrate"]);
    assert_eq!(migrated.code, Some(4), "{migrated:?}");
}

#[test]
fn a_task_that_does_not_fit_is_the_callers_and_a_refusal_the_databases() {
    let place = Place::new();
    let long = place.run(["add", &"x".repeat(256)]);
    assert!(long.code == Some(2) && long.stderr.contains("255"), "{long:?}");
    assert_eq!(place.run(["add", "x"]).code, Some(0));
    place.tamper("CREATE TRIGGER closed BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'closed for today'); END");
    let refused = place.run(["add", "x"]);
    assert!(refused.code == Some(4) && refused.stderr.contains("closed for today"), "{refused:?}");
}

#[test]
fn help_names_the_exit_codes_and_every_shell_gets_a_script() {
    let place = Place::new();
    let help = place.run(["--help"]);
    assert!(help.stdout.contains("Exit codes:") && help.stdout.contains("Examples:"), "{help:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("taskwatch"), "{shell}");
    }
}

#[test]
fn migrate_says_what_it_found() {
    let place = Place::new();
    let first = place.run(["migrate"]);
    assert!(first.code == Some(0) && first.stdout.contains("the schema is new here"), "{first:?}");
    assert!(place.run(["migrate"]).stdout.contains("nothing to do"));
}
