//! That the checks of these tests can fail: somebody does by hand what no crash may do.

use std::fs;

use crate::alone;
use crate::books::{self, Books, Kind};
use crate::fleet::Fleet;
use crate::place::Place;

const SCRIPT: &str = r#"echo "$TASKWATCH_TASK_ID $TASKWATCH_ATTEMPT" >> effects"#;

/// Puts a finished task back as if it had never begun.
const SET_BACK: &str = "UPDATE tasks SET status = 'Pending', recorded = 'Pending', lease_token = NULL, due_at = 1";

fn work_all(place: &Place) {
    let mut fleet = Fleet::new(&[], SCRIPT);
    fleet.start(place, &["--until-empty"]);
    assert!(fleet.end(place, 0).success());
}

fn finds_out(place: &Place) {
    let added = books::add(place, &[(Kind::Plain, 12)]);
    work_all(place);
    assert_eq!(Books::read(place).faults(&added), [""; 0]);
    books::verify(place);
    let ids: Vec<i64> = added.keys().copied().collect();
    let mut offenders = Vec::new();
    // `law` is what `verify` names; a row that is gone with its ledger is known to whoever added the task alone.
    let mut tampered = |task: i64, law: Option<&str>, fault: &str| {
        let faults = Books::read(place).faults(&added);
        assert!(
            faults.iter().any(|found| found.contains(&format!("task {task}")) && found.contains(fault)),
            "{faults:?}"
        );
        let verified = place.run(&["verify"]);
        let said = String::from_utf8_lossy(&verified.stdout);
        offenders.extend(law.map(|law| format!("task {task} breaks the law «{law}»")));
        assert_eq!(verified.status.code(), Some(i32::from(!offenders.is_empty())), "{said}");
        assert!(offenders.iter().all(|offender| said.contains(offender)), "{offenders:?} in {said}");
        let innocent = format!("task {} breaks", ids[11]);
        assert!(!said.contains(&innocent), "{said}");
    };

    let lost = ids[0];
    place.ask(&format!("DELETE FROM tasks WHERE id = {lost}; DELETE FROM task_ledger WHERE task_id = {lost}"));
    tampered(lost, None, "is lost");

    let unwritten = ids[2];
    place.ask(&format!("DELETE FROM task_ledger WHERE task_id = {unwritten} AND event = 'Completed'"));
    tampered(unwritten, Some("fold"), "finished 0 times");

    let gap = ids[4];
    place.ask(&format!("DELETE FROM task_ledger WHERE task_id = {gap} AND seq = 2"));
    tampered(gap, Some("in progress"), "entries are missing");

    let twice = ids[6];
    place.ask(&format!("{SET_BACK} WHERE id = {twice}"));
    tampered(twice, Some("fold"), "it is Pending");
    work_all(place);
    tampered(twice, Some("finished once"), "finished 2 times");

    let mut effects = place.effects();
    let idle = effects.iter().position(|(task, _)| *task == ids[8]).map(|at| effects.remove(at)).unwrap();
    effects.push((ids[9], 1));
    let lines: Vec<String> = effects.iter().map(|(task, attempt)| format!("{task} {attempt}\n")).collect();
    fs::write(place.path("effects"), lines.concat()).unwrap();
    tampered(idle.0, None, "completed it without any work");
    tampered(ids[9], None, "did its work 2 times");
}

#[test]
fn on_sqlite_what_a_crash_may_not_do_is_found_out() {
    let _alone = alone();
    finds_out(&Place::sqlite());
}

#[test]
fn on_mariadb_what_a_crash_may_not_do_is_found_out() {
    let _alone = alone();
    finds_out(&Place::shared_server());
}
