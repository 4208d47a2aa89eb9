use std::collections::BTreeMap;

use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::task::{FoundStatus, OnAbandon, TaskId, TaskRow};
use taskwatch_sqs_message::{Received, SqsRecord};

use super::*;
use crate::ClassKind;
use crate::journal::{Content, mark};

const JOURNAL: &str = "00ff";

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn task() -> TaskId {
    TaskId::try_from(7).unwrap()
}

/// Letter 1, begun twice, the second time at 100 s.
fn letter(state: State) -> Entry {
    let record = SqsRecord::default();
    Entry {
        number: 1.into(),
        state,
        content: Content::Message(Received { record, attributes: BTreeMap::new() }),
        message_id: None,
        place: None,
        captured_at: at(0),
        times: 1,
        begins: 2,
        changed: Some((at(100), 1)),
        outcome: None,
        why: None,
        destination: None,
        edited: None,
    }
}

/// When, what, where to, and why.
type Step<'a> = (i64, EventKind, Status, &'a str);

fn story(steps: &[Step<'_>]) -> Vec<LedgerEntry> {
    let entry = |(n, (second, event, to, reason)): (usize, &Step<'_>)| LedgerEntry {
        task: task(),
        seq: u32::try_from(n).unwrap() + 1,
        event: *event,
        from: None,
        to: *to,
        attempt: 1,
        due: at(*second),
        lease: None,
        at: at(*second),
        origin: Origin::new(Source::Replay, "tests"),
        reason: Some((*reason).to_owned()),
        trace: None,
    };
    steps.iter().enumerate().map(entry).collect()
}

fn record(status: Status, entries: Vec<LedgerEntry>) -> Record {
    let row = TaskRow {
        id: task(),
        title: "Sweep".to_owned(),
        description: None,
        status: FoundStatus::Known(status),
        recorded: Some(status),
        attempt: 1,
        due: at(0),
        lease: None,
        max_attempts: None,
        on_abandon: OnAbandon::Retry,
        seq: u32::try_from(entries.len()).unwrap(),
        created: at(0),
        reason: None,
    };
    Record { row: Some(row), task: task(), entries }
}

fn rules() -> Rules {
    Rules { max_replays: 2, uncertain: false, to_queue: false }
}

fn decided(state: State, class: &Class, record: &Record, rules: &Rules) -> Decision {
    let entry = letter(state);
    decide(&entry, class, Some(record), &entry.mark(JOURNAL), rules)
}

/// In a word.
fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Go { put_back: true } => "back",
        Decision::Go { put_back: false } => "go",
        Decision::Drop(_) => "drop",
        Decision::Done(Outcome::Completed, _) => "completed",
        Decision::Done(..) => "failed",
        Decision::Leave(_) => "leave",
    }
}

/// One of each class, with where its row stands.
fn classes() -> Vec<(Class, Status)> {
    let uncertain = |may_rerun| Class::Uncertain { cause: "gone".to_owned(), may_rerun };
    vec![
        (Class::NeverRan, Status::Pending),
        (Class::Waiting { due: at(500) }, Status::Pending),
        (Class::Running { until: at(500) }, Status::InProgress),
        (Class::Failed { cause: "it broke".to_owned() }, Status::Failed),
        (uncertain(true), Status::Failed),
        (uncertain(false), Status::Failed),
        (uncertain(true), Status::InProgress),
        (uncertain(false), Status::InProgress),
        (Class::Completed { at: None }, Status::Completed),
        (Class::Cancelled, Status::Cancelled),
        (Class::NoSuchTask, Status::Pending),
        (Class::UnknownStatus("on hold".to_owned()), Status::Pending),
        (Class::Unreadable("no JSON".to_owned()), Status::Pending),
    ]
}

#[test]
fn each_class_has_its_decision_in_each_state_and_by_each_rule() {
    let found: std::collections::BTreeSet<_> = classes().iter().map(|(class, _)| class.kind()).collect();
    assert_eq!(found.len(), ClassKind::ALL.len());
    let engine = rules();
    let sure = Rules { uncertain: true, ..rules() };
    let queue = Rules { to_queue: true, ..rules() };
    let sure_queue = Rules { uncertain: true, to_queue: true, ..rules() };
    #[rustfmt::skip]
    let table = [
        (State::Kept, &engine,
         ["go", "go", "leave", "back", "back", "leave", "go", "leave", "drop", "drop", "leave", "leave", "leave"]),
        (State::Kept, &sure,
         ["go", "go", "leave", "back", "back", "back", "go", "go", "drop", "drop", "leave", "leave", "leave"]),
        (State::InWork, &engine,
         ["go", "go", "go", "back", "back", "leave", "go", "leave", "drop", "drop", "leave", "leave", "leave"]),
        (State::InWork, &sure,
         ["go", "go", "go", "back", "back", "back", "go", "go", "drop", "drop", "leave", "leave", "leave"]),
        (State::Sending, &engine, ["leave"; 13]),
        (State::Sending, &sure, ["leave"; 13]),
        (State::Kept, &queue,
         ["go", "go", "leave", "back", "back", "leave", "go", "leave", "drop", "drop", "leave", "leave", "leave"]),
        (State::InWork, &queue,
         ["go", "go", "leave", "back", "back", "leave", "go", "leave", "drop", "drop", "leave", "leave", "leave"]),
        (State::Sending, &queue,
         ["go", "go", "leave", "back", "back", "leave", "go", "leave", "drop", "drop", "leave", "leave", "leave"]),
        (State::Sending, &sure_queue,
         ["go", "go", "leave", "back", "back", "back", "go", "go", "drop", "drop", "leave", "leave", "leave"]),
    ];
    for (state, rules, expected) in table {
        for ((class, status), expected) in classes().into_iter().zip(expected) {
            // All that the ledger knows was before it was begun.
            let record = record(status, story(&[(1, EventKind::Added, Status::Pending, "")]));
            let decision = decided(state, &class, &record, rules);
            assert_eq!(word(&decision), expected, "{state}, {class}, {status}, {rules:?}: {decision:?}");
        }
    }
}

#[test]
fn what_came_about_since_it_was_begun_settles_it_whatever_the_class() {
    use EventKind::{Abandoned, Added, Cancelled, Completed, Failed, Released, Replayed, Started};
    let own = &mark(JOURNAL, 1.into(), 2);
    let begun = [(1, Added, Status::Pending, ""), (2, Failed, Status::Failed, "it broke")];
    #[rustfmt::skip]
    let cases: [(&[Step<'_>], &str, &str); 11] = [
        // After what; then in work, then free.
        (&[(101, Completed, Status::Completed, "")], "completed", "back"),
        (&[(100, Completed, Status::Completed, "")], "completed", "back"),
        (&[(99, Completed, Status::Completed, "")], "back", "back"),
        (&[(101, Failed, Status::Failed, "still")], "failed", "back"),
        (&[(101, Failed, Status::Pending, "again")], "back", "back"),
        (&[(101, Abandoned, Status::Failed, "gone")], "back", "back"),
        (&[(101, Failed, Status::Failed, "still"), (102, Replayed, Status::Pending, "by others")], "back", "back"),
        // What it was put back for counts from there, begun or not, whatever the clocks say.
        (&[(50, Replayed, Status::Pending, own), (51, Completed, Status::Completed, "")], "completed", "completed"),
        (&[(50, Replayed, Status::Pending, own), (51, Failed, Status::Failed, "still")], "failed", "failed"),
        (&[(50, Replayed, Status::Pending, own), (51, Started, Status::InProgress, "")], "back", "back"),
        (&[(101, Cancelled, Status::Cancelled, ""), (102, Released, Status::Pending, "")], "back", "back"),
    ];
    for (after, in_work, free) in cases {
        let steps = [&begun[..], after].concat();
        let record = record(Status::Failed, story(&steps));
        let class = Class::Failed { cause: "it broke".to_owned() };
        for (state, expected) in [(State::InWork, in_work), (State::Kept, free)] {
            let decision = decided(state, &class, &record, &rules());
            assert_eq!(word(&decision), expected, "{state}: {after:?}: {decision:?}");
        }
    }
}

#[test]
fn the_mark_of_another_letter_run_or_journal_is_not_its_own() {
    let (one, ten) = (mark("J", 1.into(), 1), mark("J", 1.into(), 10));
    assert_eq!((one.as_str(), ten.as_str()), ("[J/1.1]", "[J/1.10]"));
    let entry = Entry { begins: 1, ..letter(State::Kept) };
    let class = Class::Failed { cause: "it broke".to_owned() };
    let others =
        [ten, mark("J", 11.into(), 1), mark("J", 21.into(), 1), mark("JJ", 1.into(), 1), mark("J", 1.into(), 0)];
    for (other, expected) in others.iter().map(|other| (other, "back")).chain([(&one, "completed")]) {
        let reason = format!("ops: because {other}");
        let steps =
            [(1, EventKind::Replayed, Status::Pending, &*reason), (2, EventKind::Completed, Status::Completed, "")];
        let record = record(Status::Failed, story(&steps));
        let decision = decide(&entry, &class, Some(&record), &entry.mark("J"), &rules());
        assert_eq!(word(&decision), expected, "{other}");
    }
}

#[test]
fn the_cap_counts_everybody_and_holds_for_what_has_failed_only() {
    fn replays(times: i64, mark: &str) -> Vec<Step<'_>> {
        (0..times).map(|n| (n, EventKind::Replayed, Status::Pending, if n == 0 { mark } else { "others" })).collect()
    }
    let own = mark(JOURNAL, 1.into(), 2);
    let failed = Class::Failed { cause: "it broke".to_owned() };
    let may_rerun = Class::Uncertain { cause: "gone".to_owned(), may_rerun: true };
    for name in ["others", &own] {
        for class in [&failed, &may_rerun] {
            for (times, expected) in [(1, "back"), (2, "leave"), (3, "leave")] {
                let record = record(Status::Failed, story(&replays(times, name)));
                let decision = decided(State::Kept, class, &record, &rules());
                assert_eq!(word(&decision), expected, "{times} times, {class}, {name}");
            }
        }
        // Put back, and not run yet.
        let record = record(Status::Pending, story(&replays(3, name)));
        let decision = decided(State::InWork, &Class::Waiting { due: at(0) }, &record, &rules());
        assert_eq!(decision, Decision::Go { put_back: false });
    }
}

#[test]
fn whoever_leaves_a_letter_says_why() {
    let sending = Entry { destination: Some("q".to_owned()), ..letter(State::Sending) };
    let never = record(Status::Pending, Vec::new());
    let Decision::Leave(why) = decide(&sending, &Class::NeverRan, Some(&never), "[]", &rules()) else { panic!() };
    assert_eq!(why, "it may have been sent to q already: replay it there once more");
    for (class, part) in [
        (Class::NoSuchTask, "no such task"),
        (Class::UnknownStatus("on hold".to_owned()), "\"on hold\""),
        (Class::Unreadable("no JSON".to_owned()), "no JSON"),
        (Class::Running { until: at(1) }, "being worked"),
        (Class::Uncertain { cause: String::new(), may_rerun: false }, "--uncertain"),
    ] {
        let entry = letter(State::Kept);
        let Decision::Leave(why) = decide(&entry, &class, None, "[]", &rules()) else { panic!("{class}") };
        assert!(why.contains(part), "{why}");
    }
}
