use taskwatch_core::task::{FoundStatus, OnAbandon, TaskRow};

use super::*;
use crate::letter::tests::{entry, with};

const SECOND: i64 = 1_000_000;
const NOW: Timestamp = Timestamp::from_micros(10_000 * SECOND);

fn record(status: &str, reason: Option<&str>) -> Record {
    let id = 7.try_into().expect("positive");
    let row = TaskRow {
        id,
        title: "Sweep".to_owned(),
        description: None,
        status: FoundStatus::read(status),
        recorded: status.parse().ok(),
        attempt: 1,
        due: NOW,
        lease: None,
        max_attempts: None,
        on_abandon: OnAbandon::Retry,
        seq: 1,
        created: NOW,
        reason: reason.map(str::to_owned),
    };
    Record { row: Some(row), task: id, entries: Vec::new() }
}

fn letter() -> Letter {
    let message = [("TaskwatchReason", "failed for good: Never again"), ("channel", "web")];
    let system = [("SentTimestamp", "9000000"), ("ApproximateReceiveCount", "4")];
    Letter::of(&with(entry(r#"{"task_id": 7, "priority": 3}"#), &message, &system))
}

fn passes(filter: &Filter) -> bool {
    let class = Class::Failed { cause: "it broke".to_owned() };
    filter.passes(&letter(), &class, Some(&record("Failed", Some("the row's"))), NOW)
}

#[test]
fn each_condition_takes_and_leaves() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let attribute = |name: &str, value: Option<&str>| vec![(name.to_owned(), value.map(str::to_owned))];
    let all = Filter::default;
    for (filter, expected) in [
        (all(), true),
        (Filter { classes: vec![ClassKind::Completed, ClassKind::Failed], ..all() }, true),
        (Filter { classes: vec![ClassKind::Completed], ..all() }, false),
        (Filter { statuses: vec![Status::Pending, Status::Failed], ..all() }, true),
        (Filter { statuses: vec![Status::Pending], ..all() }, false),
        (Filter { tasks: vec![1..=2, 7..=7], ..all() }, true),
        (Filter { tasks: vec![1..=6, 8..=9], ..all() }, false),
        (Filter { cause: Some("nevER AGain".to_owned()), ..all() }, true),
        (Filter { cause: Some("the row's".to_owned()), ..all() }, false),
        (Filter { older_than: seconds(1_000), ..all() }, true),
        (Filter { older_than: seconds(1_001), ..all() }, false),
        (Filter { newer_than: seconds(1_000), ..all() }, true),
        (Filter { newer_than: seconds(999), ..all() }, false),
        (Filter { receives: Some(4..=4), ..all() }, true),
        (Filter { receives: Some(5..=u32::MAX), ..all() }, false),
        (Filter { attributes: attribute("channel", None), ..all() }, true),
        (Filter { attributes: attribute("channel", Some("web")), ..all() }, true),
        (Filter { attributes: attribute("channel", Some("Web")), ..all() }, false),
        (Filter { attributes: attribute("shop", None), ..all() }, false),
        (Filter { query: Query::parse("priority > `2`").ok(), ..all() }, true),
        (Filter { query: Query::parse("priority > `3`").ok(), ..all() }, false),
    ] {
        assert_eq!(passes(&filter), expected, "{filter:?}");
    }
}

#[test]
fn all_conditions_must_hold() {
    let good = Filter { tasks: vec![7..=7], receives: Some(1..=9), ..Filter::default() };
    assert!(passes(&good));
    assert!(!passes(&Filter { cause: Some("nothing of the kind".to_owned()), ..good }));
}

#[test]
fn what_was_finished_counts_as_finished_whatever_stands_in_the_row() {
    let mut record = record("Completed", None);
    if let Some(row) = &mut record.row {
        row.status = FoundStatus::read("Pending");
    }
    let class = Class::Completed { at: None };
    let passes =
        |status| Filter { statuses: vec![status], ..Filter::default() }.passes(&letter(), &class, Some(&record), NOW);
    assert!(passes(Status::Completed) && !passes(Status::Pending));
}

#[test]
fn without_a_row_or_a_task_nothing_is_known_of_either() {
    let (letter, class) = (Letter::of(&entry("nonsense")), Class::Unreadable("x".to_owned()));
    let passes = |filter: Filter| filter.passes(&letter, &class, None, NOW);
    assert!(passes(Filter::default()));
    assert!(!passes(Filter { tasks: vec![1..=i64::MAX], ..Filter::default() }));
    assert!(!passes(Filter { statuses: Status::ALL.to_vec(), ..Filter::default() }));
    assert!(passes(Filter { query: Query::parse("@ == 'nonsense'").ok(), ..Filter::default() }));
    // Since it was captured, for want of better knowledge.
    assert!(passes(Filter { older_than: Some(Duration::from_secs(9_995)), ..Filter::default() }));
    assert!(!passes(Filter { older_than: Some(Duration::from_secs(9_996)), ..Filter::default() }));
}

#[test]
fn the_cause_is_the_letters_else_the_rows_else_why_it_cannot_be_read() {
    let (own, bare) = (letter(), Letter::of(&entry(r#"{"task_id": 7}"#)));
    let (said, silent) = (record("Failed", Some("the row's")), record("Failed", None));
    assert_eq!(cause(&own, Some(&said)), Some("failed for good: Never again"));
    assert_eq!(cause(&bare, Some(&said)), Some("the row's"));
    assert_eq!(cause(&bare, Some(&silent)), None);
    assert_eq!(cause(&bare, None), None);
    assert!(cause(&Letter::of(&entry("nonsense")), None).is_some_and(|why| why.contains("not JSON")));
}
