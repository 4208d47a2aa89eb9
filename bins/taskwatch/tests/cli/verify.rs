//! The audit finds what somebody did behind the ledger's back.

use crate::support::Place;

#[test]
fn a_tampered_database_is_found_out_and_the_task_is_named() {
    for (sql, law) in [
        ("DELETE FROM task_ledger WHERE task_id = 2 AND event = 'Completed'", "fold"),
        ("DELETE FROM task_ledger WHERE task_id = 2 AND seq = 1", "tasks"),
        ("UPDATE tasks SET recorded = 'Failed', status = 'Failed' WHERE id = 2", "fold"),
        ("UPDATE tasks SET attempt = 7 WHERE id = 2", "fold"),
    ] {
        let place = Place::new();
        place.run(["add", "x", "--count", "3"]);
        place.run(["run", "--until-empty", "--simulate"]);
        assert_eq!(place.run(["verify"]).code, Some(0));
        place.tamper(sql);
        let ran = place.run(["verify"]);
        assert_eq!(ran.code, Some(1), "{sql}: {ran:?}");
        assert!(ran.stdout.contains(&format!("task 2 breaks the law «{law}»")), "{sql}: {ran:?}");
        assert!(!ran.stdout.contains("task 1 breaks"), "{sql}: {ran:?}");
        let json = place.run(["verify", "--json"]);
        assert_eq!(json.code, Some(1));
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((&json["balanced"], &json["offences"][0]["task"]), (&false.into(), &2.into()), "{sql}");
    }
}

#[test]
fn what_other_programs_may_do_is_no_offence() {
    let place = Place::new();
    place.run(["add", "x", "--count", "2"]);
    place.tamper("UPDATE tasks SET status = 'Completed' WHERE id = 1; INSERT INTO tasks (title) VALUES ('theirs')");
    let ran = place.run(["verify"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("1 rows of another program"), "{ran:?}");
}
