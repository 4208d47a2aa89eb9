//! FIFO queues: order within a group, nothing behind a failure.

use serde_json::json;
use taskwatch_core::task::Status::{Completed, Pending};

use crate::bench::{Bench, event, in_group, record, record_of, secs};

#[test]
fn nothing_of_a_group_runs_behind_its_first_failure() {
    let bench = Bench::new();
    let [a1, a2, a3, b1, b2] = bench.add(["fine", "fails", "fine", "fine", "fine"]);
    let batch = event([
        in_group("a", record("a1", a1)),
        in_group("b", record("b1", b1)),
        in_group("a", record("a2", a2)),
        in_group("a", record("a3", a3)),
        in_group("b", record("b2", b2)),
    ]);
    assert_eq!(bench.work(&batch), Ok(vec!["a2".to_owned(), "a3".to_owned()]));
    assert_eq!(bench.statuses(), [Completed, Pending, Pending, Completed, Completed]);
    assert!(!bench.begun().iter().any(|(task, _)| *task == a3), "it was not even tried");
    bench.audit();
}

#[test]
fn what_nobody_can_read_holds_up_its_group_as_well() {
    let bench = Bench::new();
    let [after, other] = bench.add(["fine", "fine"]);
    let batch = event([
        in_group("a", record_of("poison", "{")),
        in_group("a", record("after", after)),
        in_group("b", record("other", other)),
    ]);
    assert_eq!(bench.work(&batch), Ok(vec!["poison".to_owned(), "after".to_owned()]));
    assert_eq!(bench.statuses(), [Pending, Completed]);
}

#[test]
fn a_group_is_worked_in_order_and_groups_beside_each_other() {
    let bench = Bench::new();
    let [a1, a2, b1] = bench.add(["takes 3", "takes 2", "takes 4"]);
    let batch =
        event([in_group("a", record("a1", a1)), in_group("a", record("a2", a2)), in_group("b", record("b1", b1))]);
    assert_eq!(bench.work(&batch), Ok(vec![]));
    assert_eq!(bench.begun(), [(a1, secs(0)), (b1, secs(0)), (a2, secs(3))]);
    assert!(bench.elapsed() < secs(6), "{:?}", bench.elapsed());
}

#[test]
fn a_fifo_queue_that_names_no_group_is_one_group() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fails", "fine"]);
    let without_group = |id, task| {
        let mut record = in_group("", record(id, task));
        record["attributes"].as_object_mut().unwrap().remove("MessageGroupId");
        record
    };
    let batch = event([without_group("a", one), without_group("b", two)]);
    assert_eq!(bench.work(&batch), Ok(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn the_group_of_a_fair_standard_queue_promises_no_order() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fails", "fine"]);
    let fair = |id, task| {
        let mut record = record(id, task);
        record["attributes"]["MessageGroupId"] = json!("tenant");
        record
    };
    assert_eq!(bench.work(&event([fair("a", one), fair("b", two)])), Ok(vec!["a".to_owned()]));
    assert_eq!(bench.statuses(), [Pending, Completed]);
}
