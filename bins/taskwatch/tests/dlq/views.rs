//! What `list`, `show` and `stats` print.

use serde_json::{Value, json};
use taskwatch_testbed::find_program;

use crate::place::{CLASSES, Place, capture, record};

fn place() -> Place {
    let place = Place::new();
    place.write("dead.jsonl", capture());
    place
}

#[test]
fn the_table_has_all_that_tells_letters_apart() {
    let place = place();
    let ran = place.done(&["dlq", "list", "dead.jsonl"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2 + 8);
    let parts = ["1", "message-1", "completed", "Completed", "failed for good: exit status 1", "letter 1"];
    assert!(parts.iter().all(|part| lines[2].contains(part)), "{ran:?}");
    assert!(CLASSES.iter().zip(&lines[2..]).all(|(class, line)| line.contains(class)), "{ran:?}");
    assert!(lines[9].contains('?') && lines[9].contains("not UTF-8"), "{ran:?}");
    let ran = place.done(&["dlq", "list", "dead.jsonl", "--limit", "3"]);
    assert_eq!(ran.stdout.lines().count(), 2 + 3);
    assert!(ran.stderr.contains("there are more: --limit 6"), "{ran:?}");
}

#[test]
fn a_line_of_json_has_what_the_table_has_and_no_body() {
    let place = place();
    let lines = place.lines(&["dlq", "list", "dead.jsonl", "--json"]);
    let mut first = lines[0].clone();
    let captured_at = first["captured_at"].take();
    assert!(captured_at.as_i64().is_some_and(|at| at > 1_700_000_000_000_000));
    assert_eq!(
        first,
        json!({
            "letter": "1", "state": "in the journal only", "message_id": "message-1", "task": 1, "class": "completed",
            "status": "Completed", "reason": "failed for good: exit status 1", "receives": 1,
            "sent_at": 1_763_633_471_000_000_i64, "died_at": null, "captured_at": null, "source_queue": null,
            "group": "blue", "trace": null, "title": "letter 1", "outcome": null, "why": null,
        })
    );
    assert_eq!((&lines[7]["task"], &lines[7]["status"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_letter_is_shown_with_its_task_and_its_ledger() {
    let place = place();
    let ran = place.done(&["dlq", "show", "dead.jsonl", "--letter", "2"]);
    for part in [
        "letter 2",
        "message      message-2",
        "reason       failed for good: exit status 2",
        "received     2 times",
        "sent         2025-11-20T10:11:11.000Z",
        "in the file  line 2",
        "group        blue",
        "attribute TaskwatchReason = failed for good: exit status 2",
        "attribute photo = AAEC",
        "      \"priority\": 2,",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in {}", ran.stdout);
    }
    let task = place.done(&["show", "2"]).stdout;
    assert!(task.contains("Failed") && ran.stdout.ends_with(&task), "the same as `taskwatch show`: {ran:?}");

    for args in [["--letter", "message-2"], ["--task", "2"], ["-l", "2"]] {
        let again = place.done(&[&["dlq", "show", "dead.jsonl"][..], &args].concat());
        assert!(again.stdout.starts_with("letter 2 "), "{again:?}");
    }
    let gone = place.done(&["dlq", "show", "dead.jsonl", "--task", "6"]);
    assert!(gone.stdout.contains("the database knows no such task"), "{gone:?}");
}

#[test]
fn the_body_is_had_to_the_byte_and_otherwise_never_moves_the_cursor() {
    let place = place();
    for (letter, body) in [("1", record(1)["body"].as_str().unwrap()), ("7", "nonsense \u{1b}[2J")] {
        let raw = place.done(&["dlq", "show", "dead.jsonl", "--letter", letter, "--raw"]);
        assert_eq!(raw.stdout, body);
        // Where it writes colours, it lets escapes through.
        for command in ["show", "list"] {
            let number = if command == "show" { &["--letter", letter][..] } else { &[] };
            let args = [&["--color", "always", "dlq", command, "dead.jsonl"], number].concat();
            let shown = place.done(&args);
            assert!(shown.stdout.contains('\u{1b}') && !shown.stdout.contains("\u{1b}[2J"), "{shown:?}");
        }
    }
    let raw = place.command(&["dlq", "show", "dead.jsonl", "--letter", "8", "--raw"]).output().unwrap();
    assert_eq!(raw.stdout, b"{\"broken\": \xff");
    place.write("twice.jsonl", format!("{}\n{}\n", record(1), record(1)["body"].as_str().unwrap()));
    let both = place.done(&["dlq", "show", "twice.jsonl", "--task", "1", "--raw"]).stdout;
    assert_eq!(both.lines().collect::<Vec<_>>(), [record(1)["body"].as_str().unwrap(); 2]);
}

#[test]
fn json_of_a_letter_has_its_body_its_row_and_its_entries() {
    let place = place();
    let shown = &place.lines(&["dlq", "show", "dead.jsonl", "--task", "2", "--json"])[0];
    assert_eq!(shown["body"], json!({ "task_id": 2, "title": "letter 2", "priority": 2 }));
    assert_eq!(shown["attributes"]["photo"], "AAEC");
    let task: Value = serde_json::from_str(&place.done(&["show", "2", "--json"]).stdout).unwrap();
    assert_eq!((&shown["row"], &shown["entries"]), (&task["row"], &task["entries"]));
    assert!(shown["entries"].as_array().is_some_and(|entries| entries.len() == 3), "{shown}");
}

#[test]
fn a_letter_that_is_not_there_or_not_named_is_an_error() {
    let place = place();
    for (args, code, said) in [
        (&["--letter", "99"][..], 1, "there is no such letter"),
        (&["--task", "77"], 1, "there is no such letter"),
        (&["--letter", "message-1", "--task", "2"], 1, "there is no such letter"),
        (&["--letter", "q1"], 2, "give the id of its message"),
        (&[], 2, "--letter"),
        (&["--task", "1", "--raw", "--json"], 2, "cannot be used with"),
    ] {
        let ran = place.run(&[&["dlq", "show", "dead.jsonl"], args].concat());
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{args:?}: {ran:?}");
    }
}

#[test]
fn stats_count_every_letter_once_in_each_way() {
    let place = place();
    let stats: Value = serde_json::from_str(&place.done(&["dlq", "stats", "dead.jsonl", "--json"]).stdout).unwrap();
    assert_eq!((&stats["letters"], &stats["looked_at"]), (&8.into(), &8.into()));
    assert_eq!(stats["reasons"]["failed for good: exit status #"], 6);
    assert_eq!((&stats["classes"]["unreadable"], &stats["classes"]["failed"]), (&2.into(), &1.into()));
    assert_eq!(stats["days"]["2025-11-20"], 6);
    assert_eq!(stats["task_ages"]["no such task"], 3);
    for group in ["reasons", "classes", "days", "task_ages"] {
        let sum: u64 = stats[group].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(sum, 8, "{group}");
    }
}

#[test]
fn the_chart_fits_where_nobody_knows_the_width() {
    let place = place();
    for (args, block) in [(&["dlq", "stats", "dead.jsonl"][..], '█'), (&["dlq", "stats", "dead.jsonl", "--ascii"], '#')]
    {
        let ran = place.done(args);
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
        for heading in ["8 of 8 letters", "by reason", "by class", "by age of the task", "by day"] {
            assert!(ran.stdout.lines().any(|line| line == heading), "{heading}: {}", ran.stdout);
        }
        let longest = ran.stdout.lines().find(|line| line.contains("failed for good")).unwrap();
        assert_eq!(longest.chars().count(), 80, "the longest bar takes the width: {longest}");
        assert!(longest.ends_with(block), "{longest}");
    }
    let none = place.done(&["dlq", "stats", "dead.jsonl", "--task", "99"]);
    assert_eq!(none.stdout, "0 of 8 letters\n");
}

#[test]
fn the_chart_fits_the_terminal() {
    let place = place();
    let longest = |width: usize| {
        let program = env!("CARGO_BIN_EXE_taskwatch");
        let words = "--set replay.journals=journals --database sqlite://tasks.db --color never dlq stats dead.jsonl";
        let mut script = std::process::Command::new(find_program("script").unwrap());
        script.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", place.path("")).current_dir(place.path(""));
        script
            .args(["--quiet", "--return", "--command"])
            .arg(format!("stty rows 24 cols {width}; exec '{program}' {words}"));
        let ran = script.arg("/dev/null").stdin(std::process::Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let screen = String::from_utf8(ran.stdout).unwrap();
        assert!(screen.contains("by reason"), "{screen}");
        screen.lines().map(|line| line.trim_end_matches('\r').chars().count()).max().unwrap()
    };
    // Wider than that, bars say no more.
    for (width, used) in [(40, 40), (67, 67), (110, 110), (300, 120)] {
        assert_eq!(longest(width), used);
    }
}
