use super::*;
use crate::ledger::{LedgerEntry, Origin, Source};
use crate::task::{FoundStatus, LeaseToken, OnAbandon, TaskState};
use crate::time::Timestamp;
use crate::transition::{Event, Then, transition};

const NOW: Timestamp = Timestamp::from_micros(1_000);
const LATER: Timestamp = Timestamp::from_micros(2_000);
const TOKEN: LeaseToken = LeaseToken::from_stored(1);

const ADDED: Event = Event::Added { due: NOW };
const STARTED: Event = Event::Started { token: TOKEN, now: NOW, lease_until: LATER };
const COMPLETED: Event = Event::Completed { token: TOKEN, now: NOW };
const FAILED: Event = Event::Failed { token: TOKEN, then: Then::GiveUp { now: NOW } };
const RETRIED: Event = Event::Failed { token: TOKEN, then: Then::Retry { due: NOW } };
const ABANDONED: Event = Event::Abandoned { now: LATER, then: Then::Retry { due: NOW } };
const RELEASED: Event = Event::Released { token: TOKEN, due: NOW };
const CANCELLED: Event = Event::Cancelled { now: NOW };
const REPLAYED: Event = Event::Replayed { due: NOW };

fn adopted(status: Status) -> Event {
    Event::Adopted { status, due: NOW }
}

fn overwritten(status: Status) -> Event {
    Event::Overwritten { status, due: NOW }
}

/// A task with this life, as the engine would have written it.
fn record(id: i64, life: &[Event]) -> Record {
    let task = TaskId::try_from(id).unwrap();
    let mut state: Option<TaskState> = None;
    let mut entries = Vec::new();
    for (event, seq) in life.iter().zip(1..) {
        let after = transition(state.as_ref(), event).unwrap();
        entries.push(LedgerEntry {
            task,
            seq,
            event: event.kind(),
            from: state.map(|state| state.status),
            to: after.status,
            attempt: after.attempt,
            due: after.due,
            lease: after.lease,
            at: if event.kind() == EventKind::Abandoned { LATER } else { NOW },
            origin: Origin::new(Source::Local, "test"),
            reason: None,
            trace: None,
        });
        state = Some(after);
    }
    let row = TaskRow {
        id: task,
        title: "a task".into(),
        description: None,
        status: FoundStatus::Known(state.map_or(Status::Pending, |state| state.status)),
        recorded: state.map(|state| state.status),
        attempt: state.map_or(0, |state| state.attempt),
        due: state.map_or(NOW, |state| state.due),
        lease: state.and_then(|state| state.lease),
        max_attempts: None,
        on_abandon: OnAbandon::Retry,
        seq: u32::try_from(life.len()).unwrap(),
        created: NOW,
        reason: None,
    };
    Record { row: Some(row), task, entries }
}

fn lives() -> Vec<Vec<Event>> {
    vec![
        vec![],
        vec![ADDED],
        vec![ADDED, STARTED],
        vec![ADDED, STARTED, COMPLETED],
        vec![ADDED, STARTED, RETRIED, STARTED, ABANDONED, STARTED, RELEASED, STARTED, FAILED],
        vec![ADDED, STARTED, FAILED, REPLAYED, STARTED, COMPLETED],
        vec![ADDED, CANCELLED],
        vec![ADDED, STARTED, CANCELLED],
        vec![adopted(Status::InProgress), overwritten(Status::Failed), overwritten(Status::Pending)],
        vec![adopted(Status::InProgress), ABANDONED, overwritten(Status::InProgress)],
        vec![adopted(Status::Failed), REPLAYED, STARTED, overwritten(Status::Completed)],
        vec![adopted(Status::Completed)],
    ]
}

fn audit(records: &[Record]) -> Books {
    let mut audit = Audit::new();
    records.iter().for_each(|record| audit.observe(record));
    audit.finish()
}

/// The laws that the books do not obey, by their lines and by their offences.
fn broken(books: &Books) -> (Vec<Law>, Vec<Law>) {
    let lines = books.lines.iter().filter(|line| !line.balanced()).map(|line| line.law).collect();
    (lines, books.offences.iter().map(|offence| offence.law).collect())
}

fn tampered(life: &[Event], tamper: impl FnOnce(&mut Record)) -> Vec<Law> {
    let mut record = record(7, life);
    tamper(&mut record);
    let books = audit(&[record]);
    let (lines, offences) = broken(&books);
    assert_eq!(lines, offences, "{books:?}");
    assert!(!books.balanced());
    offences
}

#[test]
fn a_good_book_balances_whatever_the_tasks_went_through() {
    let records: Vec<_> = lives().iter().zip(1..).map(|(life, id)| record(id, life)).collect();
    let books = audit(&records);
    assert!(books.balanced(), "{:?}", books.offences);
    assert_eq!((books.unadopted, books.overwritten, books.deleted), (1, 0, 0));
    assert_eq!(books.statuses[&Status::Completed], 4);
    assert_eq!(books.metrics[&Metric::TasksStarted], 10);
    assert_eq!(books.metrics[&Metric::TasksDead], 2);
    assert_eq!(
        books.lines[0].to_string(),
        "10 Started + 2 Adopted into In Progress + 1 Overwritten into In Progress = 2 Completed + 3 Failed \
         + 2 Abandoned + 1 Released + 1 Cancelled while running + 2 Overwritten out of In Progress + 2 now In Progress"
    );
}

#[test]
fn deleted_rows_are_counted_where_they_stood() {
    let mut records: Vec<_> = lives().iter().zip(1..).skip(1).map(|(life, id)| record(id, life)).collect();
    records.iter_mut().for_each(|record| record.row = None);
    let books = audit(&records);
    assert!(books.balanced(), "{:?}", books.offences);
    assert_eq!(books.deleted, 11);
    assert!(books.statuses.is_empty());
}

#[test]
fn another_programs_write_is_no_offence() {
    let mut record = record(1, &[ADDED, STARTED]);
    record.row.as_mut().unwrap().status = FoundStatus::Unknown("Done".into());
    let books = audit(&[record]);
    assert!(books.balanced());
    assert_eq!(books.overwritten, 1);
}

#[test]
fn an_attempt_that_never_ended_breaks_in_progress() {
    let broken = tampered(&[ADDED, STARTED, RETRIED, STARTED, COMPLETED], |record| {
        record.entries.remove(2);
    });
    assert_eq!(broken, [Law::InProgress, Law::Fold]);
}

#[test]
fn a_task_from_nowhere_breaks_tasks() {
    let broken = tampered(&[ADDED, CANCELLED], |record| {
        record.entries.remove(0);
    });
    assert_eq!(broken, [Law::Tasks, Law::Fold]);
}

#[test]
fn a_row_without_a_recorded_status_must_have_no_entries() {
    let broken = tampered(&[ADDED], |record| record.row.as_mut().unwrap().recorded = None);
    assert_eq!(broken, [Law::Tasks, Law::Fold]);
}

#[test]
fn a_dead_task_that_walks_breaks_dead() {
    let broken = tampered(&[ADDED, STARTED, FAILED], |record| {
        record.row.as_mut().unwrap().recorded = Some(Status::Pending);
    });
    assert_eq!(broken, [Law::Dead, Law::Fold]);
}

#[test]
fn every_column_that_the_ledger_writes_breaks_fold_alone() {
    let tampers: [fn(&mut TaskRow); 4] =
        [|row| row.attempt += 1, |row| row.lease = Some(TOKEN), |row| row.seq += 1, |row| row.due = LATER];
    for tamper in tampers {
        assert_eq!(tampered(&[ADDED], |record| tamper(record.row.as_mut().unwrap())), [Law::Fold]);
    }
    assert_eq!(tampered(&[], |record| record.row.as_mut().unwrap().seq = 1), [Law::Fold]);
    assert_eq!(tampered(&[ADDED], |record| record.entries[0].task = TaskId::try_from(8).unwrap()), [Law::Fold]);
}

#[test]
fn a_renewed_lease_leaves_no_entry_and_is_no_offence() {
    let mut record = record(1, &[ADDED, STARTED]);
    record.row.as_mut().unwrap().due = Timestamp::from_micros(9_000);
    assert!(audit(&[record]).balanced());
}

#[test]
fn whatever_follows_the_end_breaks_finished_once() {
    let again = |record: &mut Record| {
        let more: Vec<_> = record.entries[1..].to_vec();
        for (mut entry, seq) in more.into_iter().zip(4..) {
            entry.seq = seq;
            record.entries.push(entry);
        }
        record.row.as_mut().unwrap().seq = 5;
    };
    // It flows well, so only the other two laws can notice.
    assert_eq!(tampered(&[ADDED, STARTED, COMPLETED], again), [Law::Fold, Law::FinishedOnce]);
    assert_eq!(tampered(&[ADDED, STARTED, CANCELLED], again), [Law::Fold, Law::FinishedOnce]);
}

#[test]
fn two_wrongs_that_cancel_out_are_both_named() {
    let (mut lost, mut gained) = (record(1, &[ADDED, STARTED]), record(2, &[ADDED]));
    lost.row.as_mut().unwrap().recorded = Some(Status::Pending);
    gained.row.as_mut().unwrap().recorded = Some(Status::InProgress);
    let books = audit(&[lost, gained]);
    assert!(books.lines[0].balanced());
    assert!(!books.balanced());
    let named =
        books.offences.iter().filter(|offence| offence.law == Law::InProgress).map(|offence| offence.task.get());
    assert_eq!(named.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(books.offences[0].to_string(), "task 1 breaks the law «in progress»: 1 Started ≠ 0");
}

#[test]
fn only_the_first_offences_are_kept_but_all_are_counted() {
    let mut bad = record(1, &[ADDED]);
    bad.row.as_mut().unwrap().attempt = 5;
    let books = audit(&vec![bad; OFFENCES_KEPT + 50]);
    assert_eq!(books.offences.len(), OFFENCES_KEPT);
    assert_eq!(books.offences_found, 150);
}
