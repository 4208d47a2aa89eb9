//! What must hold on either database, beyond what the conformance suite asks of every store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use taskwatch_core::ports::{DueBefore, Filter, Inserted, Lease, Records, Select, Store, StoreError};
use taskwatch_core::task::{FoundStatus, LeaseToken, NewTask, OnAbandon, Status};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, EventKind};

use super::{Fixture, at, audited, change, claim, complete, due, fail, id, ids, origin, titled};

/// Texts that a quoting mistake would stumble over.
const HOSTILE: [&str; 7] = [
    "'; DROP TABLE tasks; -- ",
    "\\' OR 1=1 /* \u{1a} */ %_",
    "😀 e\u{301} \u{202e}gnp",
    "\"quoted\" `ticked` {\"json\": [1]} \u{7f}\r\n\t",
    "NULL",
    "\u{feff}trailing space ",
    "0x41",
];

pub(crate) async fn keeps_every_text_as_it_is(fixture: &impl Fixture) {
    let store = fixture.store();
    let tasks: Vec<NewTask> = HOSTILE
        .iter()
        .map(|text| NewTask {
            description: Some((*text).to_owned()),
            idempotency_key: Some((*text).to_owned()),
            trace: None,
            not_before: Some(at(5)),
            max_attempts: Some(7),
            on_abandon: OnAbandon::Fail,
            ..NewTask::titled(*text)
        })
        .collect();
    let added = store.insert(&tasks, &origin(), at(0)).await.unwrap();
    let found: Vec<_> = audited(store).await;
    assert_eq!(found.len(), HOSTILE.len());
    for ((record, added), text) in found.iter().zip(&added).zip(HOSTILE) {
        let row = record.row.as_ref().unwrap();
        assert_eq!((row.title.as_str(), row.description.as_deref()), (text, Some(text)));
        assert_eq!((row.due, row.created, row.max_attempts), (at(5), at(0), Some(7)));
        assert_eq!(row.on_abandon, OnAbandon::Fail);
        assert_eq!(&Inserted::Added(record.entries[0].clone()), added);
    }
    for text in HOSTILE {
        let reason: &'static str = text;
        let all = ids(found.iter().map(|record| record.task));
        let cancel = move |row: &_| change(row, at(6), &[], Some(reason)).filter(|change| !change.entries.is_empty());
        assert!(store.transact(&all, &cancel).await.unwrap().iter().all(|seen| !seen.written));
    }
    store.transact(&Select::Due(due(5, 100)), &claim(at(5), 0)).await.unwrap();
    for (record, text) in found.iter().zip(HOSTILE) {
        let seen = store.transact(&ids([record.task]), &fail(at(6), text)).await.unwrap();
        assert!(seen[0].written);
        let after = store.record(record.task).await.unwrap().unwrap();
        assert_eq!(after.row.unwrap().reason.as_deref(), Some(text));
        assert_eq!(after.entries.last().unwrap().reason.as_deref(), Some(text));
        let filter = Filter { title: Some(text.to_owned()), limit: 10, ..Filter::default() };
        assert_eq!(store.list(&filter).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>(), [record.task]);
    }
    let again = store.insert(&tasks, &origin(), at(9)).await.unwrap();
    assert_eq!(again, found.iter().map(|record| Inserted::Existed(record.task)).collect::<Vec<_>>());
}

pub(crate) async fn cuts_a_reason_and_refuses_a_title_that_does_not_fit(fixture: &impl Fixture) {
    let store = fixture.store();
    let bad = [NewTask::titled("ok"), NewTask::titled("ü".repeat(256))];
    let refused = store.insert(&bad, &origin(), at(0)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(why) if why.contains("255")), "{refused}");
    assert!(audited(store).await.is_empty(), "all or none");

    let title = "😀".repeat(255);
    let task = store.insert(&[NewTask::titled(&title)], &origin(), at(0)).await.unwrap()[0].task();
    store.transact(&ids([task]), &claim(at(0), 0)).await.unwrap();
    let long: &'static str = Box::leak("😀".repeat(3000).into_boxed_str());
    assert!(store.transact(&ids([task]), &fail(at(1), long)).await.unwrap()[0].written);
    let row = store.record(task).await.unwrap().unwrap().row.unwrap();
    assert_eq!((row.title, row.reason), (title, Some("😀".repeat(1024))));
}

pub(crate) async fn answers_a_used_key_with_its_first_task(fixture: &impl Fixture) {
    let store = fixture.store();
    let keyed = |key: &str| NewTask { idempotency_key: Some(key.to_owned()), ..NewTask::titled("t") };
    let batch = [keyed("a"), NewTask::titled("free"), keyed("a"), keyed("A"), keyed("a ")];
    let first = store.insert(&batch, &origin(), at(0)).await.unwrap();
    assert!(matches!(first[0], Inserted::Added(_)) && matches!(first[3], Inserted::Added(_)));
    assert!(matches!(first[4], Inserted::Added(_)), "a key is compared byte by byte");
    assert_eq!(first[2], Inserted::Existed(first[0].task()));
    let second = store.insert(&[keyed("b"), keyed("A")], &origin(), at(1)).await.unwrap();
    assert!(matches!(second[0], Inserted::Added(_)));
    assert_eq!(second[1], Inserted::Existed(first[3].task()));

    // Many at once, all with the same keys in different orders, over and over.
    let mut answers = Vec::new();
    for round in 0..10 {
        let racing = (0..8).map(|n| async move {
            let mut keys: Vec<NewTask> = (0..10).map(|k| keyed(&format!("race {round}/{k}"))).collect();
            keys.rotate_left(n);
            let done = store.insert(&keys, &origin(), at(2)).await.unwrap();
            keys.into_iter().map(|task| task.idempotency_key.unwrap()).zip(done).collect::<Vec<_>>()
        });
        answers.extend(futures_util::future::join_all(racing).await);
    }
    let mut by_key: BTreeMap<String, (BTreeSet<_>, usize)> = BTreeMap::new();
    for (key, inserted) in answers.into_iter().flatten() {
        let (tasks, added) = by_key.entry(key).or_default();
        tasks.insert(inserted.task());
        *added += usize::from(matches!(inserted, Inserted::Added(_)));
    }
    assert_eq!(by_key.len(), 100);
    assert!(by_key.values().all(|(tasks, added)| tasks.len() == 1 && *added == 1), "{by_key:?}");
    assert_eq!(audited(store).await.len(), 5 - 1 + 1 + 100);
}

pub(crate) async fn gives_ids_in_the_order_of_the_batch(fixture: &impl Fixture) {
    let store = fixture.store();
    let answers = futures_util::future::join_all((0..6).map(|n| async move {
        let tasks: Vec<NewTask> = (0..50).map(|k| NewTask::titled(format!("{n}/{k}"))).collect();
        store.insert(&tasks, &origin(), at(0)).await.unwrap()
    }))
    .await;
    let titles: BTreeMap<_, _> =
        audited(store).await.into_iter().map(|record| (record.task, record.row.unwrap().title)).collect();
    assert_eq!(titles.len(), 300);
    for (n, answer) in answers.iter().enumerate() {
        for (k, inserted) in answer.iter().enumerate() {
            assert_eq!(titles[&inserted.task()], format!("{n}/{k}"));
        }
    }
}

pub(crate) async fn hands_out_what_is_due_earliest_first(fixture: &impl Fixture) {
    let store = fixture.store();
    let tasks: Vec<NewTask> = [30, 10, 20, 10, 99]
        .iter()
        .map(|&seconds| NewTask { not_before: Some(at(seconds)), ..NewTask::titled(seconds.to_string()) })
        .collect();
    let added: Vec<_> = store.insert(&tasks, &origin(), at(0)).await.unwrap().iter().map(Inserted::task).collect();
    let seen = store.transact(&Select::Due(due(30, 3)), &claim(at(30), 1)).await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.row.id).collect::<Vec<_>>(), [added[1], added[3], added[2]]);
    assert!(seen.iter().all(|seen| seen.written && seen.row.status == FoundStatus::Known(Status::Pending)));
    let seen = store.transact(&Select::Due(due(30, 3)), &claim(at(30), 2)).await.unwrap();
    assert_eq!(seen.iter().map(|seen| seen.row.id).collect::<Vec<_>>(), [added[0]]);
    // Ids come back by id, those that exist, each once.
    let some = ids([added[4], id(1_000_000), added[0], added[4]]);
    let seen = store.transact(&some, &|_| None).await.unwrap();
    assert_eq!(
        seen.iter().map(|seen| (seen.row.id, seen.written)).collect::<Vec<_>>(),
        [(added[0], false), (added[4], false)]
    );
    assert!(store.transact(&ids([]), &|_| None).await.unwrap().is_empty());
    let over = store.transact(&Select::LeaseOver(due(90, 9)), &|_| None).await.unwrap();
    assert_eq!(over.len(), 4);
    assert!(store.transact(&Select::LeaseOver(due(89, 9)), &|_| None).await.unwrap().is_empty());
}

pub(crate) async fn passes_over_rows_that_another_program_still_has_time_for(fixture: &impl Fixture) {
    let store = fixture.store();
    let past = at(-1000).as_micros();
    let ours = store.insert(&titled(1), &origin(), at(0)).await.unwrap()[0].task();
    fixture.raw("INSERT INTO tasks (title, description, status) VALUES ('py', NULL, 'Pending')").await;
    fixture.raw("INSERT INTO tasks (title) VALUES ('default')").await;
    for status in ["NULL", "'pending'", "'Pending '", "'Paused'"] {
        fixture.raw(&format!("INSERT INTO tasks (title, status, due_at) VALUES ('odd', {status}, {past})")).await;
    }
    let now = Timestamp::from_micros(now_micros());
    let far = now + Duration::from_secs(3600);
    let split = |foreign| Select::Due(DueBefore { ours: far, foreign, limit: 100 });
    let found =
        |seen: Vec<taskwatch_core::ports::Seen>| seen.into_iter().map(|seen| seen.row.title).collect::<Vec<_>>();
    let early = now.minus(Duration::from_secs(3600));
    assert_eq!(found(store.transact(&split(early), &|_| None).await.unwrap()), ["task 0"]);
    let all: BTreeSet<_> = found(store.transact(&split(far), &|_| None).await.unwrap()).into_iter().collect();
    assert_eq!(all, ["default", "py", "task 0"].map(str::to_owned).into());

    // What the columns hold is told as it is, and rows that are none of the five are left alone.
    let rows = store.list(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    let odd: Vec<_> = rows.iter().filter(|row| row.title == "odd").map(|row| row.status.to_string()).collect();
    assert_eq!(odd, ["Paused", "Pending ", "pending", "NULL"]);
    let all = ids(rows.iter().map(|row| row.id));
    let seen = store.transact(&all, &claim(far, 0)).await.unwrap();
    assert_eq!(seen.iter().filter(|seen| seen.written).count(), 3);
    let adopted = rows.iter().find(|row| row.title == "py").unwrap();
    let record = store.record(adopted.id).await.unwrap().unwrap();
    assert_eq!(
        record.entries.iter().map(|entry| entry.event).collect::<Vec<_>>(),
        [EventKind::Adopted, EventKind::Started]
    );
    assert!(record.row.unwrap().created > early, "the database fills in the time of a foreign row");

    // Settled work stays settled, and does not stand in the way of what follows.
    assert!(store.transact(&ids([ours]), &complete(far)).await.unwrap()[0].written);
    fixture.raw(&format!("UPDATE tasks SET status = 'Pending' WHERE id = {ours}")).await;
    let later = far + Duration::from_secs(10);
    let select = Select::Due(DueBefore { ours: later, foreign: later, limit: 100 });
    assert!(store.transact(&select, &|_| None).await.unwrap().is_empty());
    let row = store.record(ours).await.unwrap().unwrap().row.unwrap();
    assert!(row.is_overwritten() && row.recorded == Some(Status::Completed));
}

pub(crate) async fn writes_by_compare_and_set_even_a_row_without_a_status(fixture: &impl Fixture) {
    let store = fixture.store();
    fixture.raw("INSERT INTO tasks (title, status) VALUES ('null', NULL), ('text', 'NULL')").await;
    let rows = store.list(&Filter { limit: 10, ..Filter::default() }).await.unwrap();
    let force = |row: &taskwatch_core::task::TaskRow| {
        let mut row = row.clone();
        row.status = FoundStatus::Known(Status::Pending);
        change(&row, at(1), &[], Some("made right"))
    };
    let seen = store.transact(&ids(rows.iter().map(|row| row.id)), &force).await.unwrap();
    assert!(seen.iter().all(|seen| seen.written), "{seen:?}");
    assert!(audited(store).await.iter().all(|record| record.row.as_ref().unwrap().recorded == Some(Status::Pending)));
}

pub(crate) async fn many_workers_share_the_work_without_doubles(fixture: &impl Fixture) {
    let store = fixture.store();
    store.insert(&titled(200), &origin(), at(0)).await.unwrap();
    let claimed = futures_util::future::join_all((0..8_u64).map(|worker| async move {
        let mut mine = Vec::new();
        let mut idle = 0;
        while idle < 3 {
            let seen = store.transact(&Select::Due(due(1, 7)), &claim(at(1), worker)).await.unwrap();
            let got: Vec<_> = seen.iter().filter(|seen| seen.written).map(|seen| seen.row.id).collect();
            idle = if got.is_empty() { idle + 1 } else { 0 };
            let done = store.transact(&ids(got.clone()), &complete(at(2))).await.unwrap();
            assert!(done.iter().all(|seen| seen.written));
            mine.extend(got);
        }
        mine
    }))
    .await;
    let all: Vec<_> = claimed.concat();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    for record in audited(store).await {
        let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
        assert_eq!(events, [EventKind::Added, EventKind::Started, EventKind::Completed]);
    }
}

pub(crate) async fn renews_leases_that_are_held_and_names_the_others(fixture: &impl Fixture) {
    let store = fixture.store();
    store.insert(&titled(4), &origin(), at(0)).await.unwrap();
    let seen = store.transact(&Select::Due(due(0, 9)), &claim(at(0), 3)).await.unwrap();
    let mut leases: Vec<Lease> =
        seen.iter().map(|seen| Lease { task: seen.row.id, token: super::token(&seen.row, 3) }).collect();
    store.transact(&ids([leases[1].task]), &complete(at(1))).await.unwrap();
    fixture.raw(&format!("UPDATE tasks SET status = 'Completed' WHERE id = {}", leases[2].task)).await;
    leases.push(Lease { task: id(1_000_000), token: leases[0].token });
    let stolen = Lease { task: leases[3].task, token: LeaseToken::from_stored(5) };
    leases.push(stolen);
    let lost = store.extend(&leases, at(500)).await.unwrap();
    assert_eq!(lost, [leases[1].task, leases[2].task, id(1_000_000), stolen.task]);
    let rows: BTreeMap<_, _> = store
        .list(&Filter { limit: 9, ..Filter::default() })
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.id, row.due))
        .collect();
    assert_eq!(rows[&leases[0].task], at(500));
    assert_eq!(rows[&leases[1].task], at(1), "a settled task keeps its time");
    assert_eq!(rows[&leases[2].task], at(60), "so does one that another program took");
    assert_eq!(rows[&leases[3].task], at(500), "held by the right token");
    assert!(store.extend(&[], at(1)).await.unwrap().is_empty());
}

pub(crate) async fn pages_through_rows_and_orphans(fixture: &impl Fixture) {
    let store = fixture.store();
    let tasks: Vec<_> = store.insert(&titled(7), &origin(), at(0)).await.unwrap().iter().map(Inserted::task).collect();
    fixture.raw(&format!("DELETE FROM tasks WHERE id IN ({}, {})", tasks[2], tasks[6])).await;
    fixture.raw(&format!("DELETE FROM task_ledger WHERE task_id = {}", tasks[4])).await;
    fixture.raw(&format!("UPDATE tasks SET recorded = NULL, seq = 0 WHERE id = {}", tasks[4])).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.records(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.task);
        seen.extend(page.iter().map(|record| (record.task, record.row.is_some(), record.entries.len())));
    }
    let expected: Vec<_> =
        tasks.iter().enumerate().map(|(n, &task)| (task, !matches!(n, 2 | 6), usize::from(n != 4))).collect();
    assert_eq!(seen, expected);
    assert!(store.record(tasks[2]).await.unwrap().unwrap().row.is_none());
    assert!(store.record(id(1_000_000)).await.unwrap().is_none());

    let list = |filter: Filter| async move {
        store.list(&filter).await.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    store.transact(&ids([tasks[0]]), &claim(at(0), 0)).await.unwrap();
    let running = vec![Status::InProgress, Status::Failed];
    assert_eq!(list(Filter { statuses: running, limit: 9, ..Filter::default() }).await, [tasks[0]]);
    assert_eq!(list(Filter { before: Some(tasks[4]), limit: 2, ..Filter::default() }).await, [tasks[3], tasks[1]]);
    assert_eq!(list(Filter { title: Some("sk 5".into()), limit: 9, ..Filter::default() }).await, [tasks[5]]);
    assert!(list(Filter { title: Some("TASK".into()), limit: 9, ..Filter::default() }).await.is_empty());
}

pub(crate) async fn keeps_the_ends_of_the_range(fixture: &impl Fixture) {
    let store = fixture.store();
    let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    let task =
        store.insert(&[NewTask { not_before: Some(first), ..NewTask::titled("t") }], &origin(), last).await.unwrap()[0]
            .task();
    let token = LeaseToken::from_stored(i64::MAX);
    let start = move |row: &_| change(row, first, &[Event::Started { token, now: first, lease_until: last }], None);
    assert!(
        store.transact(&Select::Due(DueBefore { ours: first, foreign: first, limit: 1 }), &start).await.unwrap()[0]
            .written
    );
    let row = store.record(task).await.unwrap().unwrap().row.unwrap();
    assert_eq!((row.due, row.lease, row.created), (last, Some(token), last));
    assert!(store.transact(&ids([task]), &complete(first)).await.unwrap()[0].written);
}

pub(crate) async fn reads_rows_and_ledger_as_of_one_instant(fixture: &impl Fixture) {
    let store = fixture.store();
    store.insert(&titled(90), &origin(), at(0)).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new([const { AtomicU64::new(0) }; 3]);
    let writers: Vec<_> = (0..3)
        .map(|n| {
            let (store, stop, rounds) = (store.clone(), Arc::clone(&stop), Arc::clone(&rounds));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let round = rounds[n].fetch_add(1, Ordering::SeqCst) + 1;
                    let all = Select::Due(due(1_000_000, 3));
                    store.transact(&all, &claim(at(1), 1000 * round + n as u64)).await.unwrap();
                    let give_back = |row: &taskwatch_core::task::TaskRow| {
                        change(row, at(0), &[Event::Released { token: row.lease?, due: at(0) }], None)
                    };
                    store.transact(&Select::LeaseOver(due(1_000_000, 3)), &give_back).await.unwrap();
                }
            })
        })
        .collect();
    let mut audits = 0;
    // However slow the disk is, each of them has written something meanwhile.
    while audits < 100 || rounds.iter().any(|round| round.load(Ordering::SeqCst) <= 5) {
        assert_eq!(audited(store).await.len(), 90);
        audits += 1;
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

/// A transaction that is dropped at any moment leaves nothing behind: not half of its changes, no lock, no connection
/// with an open transaction.
pub(crate) async fn survives_being_dropped_at_any_moment(fixture: &impl Fixture) {
    let store = fixture.store();
    store.insert(&titled(20), &origin(), at(0)).await.unwrap();
    let mut cut = 0;
    for round in 0..300_u64 {
        let select = Select::Due(due(1_000_000, 3));
        let decide = claim(at(i64::try_from(round).unwrap()), round);
        // Every place where it waits comes up: the n-th in round n.
        let mut polls = round % 20;
        let mut transaction = store.transact(&select, &decide);
        let done = futures_util::future::poll_fn(|context| {
            let Some(left) = polls.checked_sub(1) else { return std::task::Poll::Ready(false) };
            polls = left;
            transaction.as_mut().poll(context).map(|seen| seen.is_ok())
        });
        cut += usize::from(!done.await);
        drop(transaction);
        // Give back whatever was written, known or not.
        let give_back = |row: &taskwatch_core::task::TaskRow| {
            let event = Event::Released { token: row.lease?, due: row.created };
            change(row, at(0), &[event], None)
        };
        if round % 10 == 9 {
            let all = Select::LeaseOver(due(2_000_000, 100));
            store.transact(&all, &give_back).await.unwrap();
        }
    }
    assert!(cut > 60, "only {cut} of 300 were cut off");
    let records = audited(store).await;
    assert_eq!(records.len(), 20);
    // Nothing is locked: all rows can be had at once.
    let seen = store.transact(&ids(records.iter().map(|record| record.task)), &|_| None).await.unwrap();
    assert_eq!(seen.len(), 20);
    let free = store.transact(&Select::Due(due(2_000_000, 100)), &|_| None).await.unwrap();
    let running = store.transact(&Select::LeaseOver(due(2_000_000, 100)), &|_| None).await.unwrap();
    assert_eq!(free.len() + running.len(), 20, "a row is still locked");
}

fn now_micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_micros()).unwrap()
}

/// A test for each of the cases, on databases made by `$new`.
#[macro_export]
macro_rules! cases {
    ($new:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::support::cases::$case(&$new).await;
            }
        )*
    };
}
