use super::*;
use crate::letter::tests::{entry, with};

const NOW: Timestamp = Timestamp::from_micros(1_763_633_472_345_678);

fn letter(reason: &str) -> Letter {
    Letter::of(&with(entry(r#"{"task_id": 1}"#), &[("TaskwatchReason", reason)], &[]))
}

#[test]
fn letters_are_counted_by_folded_reason_class_and_day() {
    let mut stats = Stats::default();
    for (reason, class) in [
        ("exit status 1", Class::NoSuchTask),
        ("exit status 2", Class::Cancelled),
        ("no answer", Class::NoSuchTask),
        ("", Class::NoSuchTask),
    ] {
        stats.add(&letter(reason), &class, None, NOW);
    }
    let died = Letter { died_at: Some(Timestamp::from_micros(-1)), ..letter("no answer") };
    stats.add(&died, &Class::NoSuchTask, None, NOW);
    let sent = Letter { sent_at: Some(NOW), ..letter("exit status 3") };
    stats.add(&sent, &Class::NoSuchTask, None, NOW);
    assert_eq!(stats.letters, 6);
    assert_eq!(stats.by_frequency(), [("exit status #", 3), ("no answer", 2), (NO_REASON, 1)]);
    assert_eq!(stats.classes, [(ClassKind::Cancelled, 1), (ClassKind::NoSuchTask, 5)].into());
    assert_eq!(stats.task_ages, [(TaskAge::Unknown, 6)].into());
    assert_eq!(stats.days, [(-1, 1), (0, 4), (20_412, 1)].into());
}

#[test]
fn reasons_beyond_the_limit_are_counted_together() {
    let mut stats = Stats::default();
    let name = |mut number: usize| {
        let mut name = String::new();
        while number > 0 {
            name.push(char::from(b'a' + u8::try_from(number % 26).expect("a letter")));
            number /= 26;
        }
        name
    };
    for number in 1..=MAX_REASONS + 5 {
        stats.add(&letter(&format!("reason {}", name(number))), &Class::Cancelled, None, NOW);
    }
    assert_eq!(stats.reasons.len(), MAX_REASONS + 1);
    assert_eq!(stats.reasons.get(OTHER_REASONS), Some(&5));
    assert_eq!(stats.reasons.values().sum::<u64>(), stats.letters);
}

#[test]
fn days_have_names() {
    assert_eq!(day_name(0), "1970-01-01");
    assert_eq!(day_name(20_412), "2025-11-20");
    assert_eq!(day_name(2_932_896), "9999-12-31");
    assert_eq!(day_name(2_932_897), "day 2932897");
    assert_eq!([day_name(-1), day_name(i64::MAX)], ["day -1".to_owned(), format!("day {}", i64::MAX)]);
}

#[test]
fn ages_end_where_they_say() {
    let mut row = taskwatch_core::task::TaskRow {
        id: 1.try_into().expect("positive"),
        title: String::new(),
        description: None,
        status: taskwatch_core::task::FoundStatus::read("Pending"),
        recorded: None,
        attempt: 0,
        due: NOW,
        lease: None,
        max_attempts: None,
        on_abandon: taskwatch_core::task::OnAbandon::Retry,
        seq: 0,
        created: NOW,
        reason: None,
    };
    let mut of = |age: u64| {
        row.created = NOW.minus(Duration::from_secs(age));
        TaskAge::of(Some(&Record { row: Some(row.clone()), task: row.id, entries: Vec::new() }), NOW)
    };
    let day = DAY.as_secs();
    let found = [0, 59, 60, 3_599, 3_600, day - 1, day, day * 7, day * 30 - 1, day * 30].map(&mut of);
    use TaskAge::{Day, Hour, Minute, Month, Older, Week};
    assert_eq!(found, [Minute, Minute, Hour, Hour, Day, Day, Week, Month, Month, Older]);
    assert_eq!(TaskAge::of(None, NOW), TaskAge::Unknown);
}
