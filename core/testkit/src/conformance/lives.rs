//! Whole lives of tasks, and what the ledger says of them.

use taskwatch_core::ports::{DueBefore, Select};
use taskwatch_core::task::{FoundStatus, Status};
use taskwatch_core::transition::{Event, EventKind, Then};

use super::Bench;
use super::moves::{at, change, claim, complete, fail, happen, ids, release};

/// Characters of a reason that a store keeps at least: what core cuts reasons to.
const REASON_LIMIT: usize = 1000;

pub(super) async fn entries_are_numbered_without_gaps(bench: Bench<'_>) {
    let tasks = bench.add(2).await;
    let task = &tasks[..1];
    bench.write(task, &claim(at(0), 1)).await;
    bench.write(task, &fail(at(1), Then::Retry { due: at(10) }, "first")).await;
    bench.write(task, &claim(at(10), 2)).await;
    bench.write(task, &release(at(11))).await;
    bench.write(task, &claim(at(12), 3)).await;
    bench.write(task, &happen(at(99), Event::Abandoned { now: at(99), then: Then::GiveUp { now: at(99) } })).await;
    bench.write(task, &happen(at(100), Event::Replayed { due: at(100) })).await;
    bench.write(task, &claim(at(101), 4)).await;
    let done = complete(at(102));
    bench.write(task, &done).await;
    let seen = bench.transact(&ids(task), &done).await;
    assert!(seen.iter().all(|seen| !seen.written), "a settled task is not settled again");
    bench.write(&tasks[1..], &happen(at(5), Event::Cancelled { now: at(5) })).await;

    let (row, entries) = bench.record(task[0]).await;
    use EventKind::{Abandoned, Added, Completed, Failed, Released, Replayed, Started};
    let told: Vec<(u32, EventKind)> = entries.iter().map(|entry| (entry.seq, entry.event)).collect();
    let events = [Added, Started, Failed, Started, Released, Started, Abandoned, Replayed, Started, Completed];
    assert_eq!(told, (1..).zip(events).collect::<Vec<_>>(), "every change has its entry, in order and without gaps");
    assert_eq!((row.status, row.attempt), (FoundStatus::Known(Status::Completed), 1), "the row is where they lead");
    let records = bench.audit().await;
    let statuses: Vec<_> = records.iter().filter_map(|record| record.row.as_ref()?.recorded).collect();
    assert_eq!(statuses, [Status::Completed, Status::Cancelled], "each task has its own life");
}

pub(super) async fn a_big_batch_is_moved_at_once(bench: Bench<'_>) {
    let tasks = bench.add(100).await;
    let due = Select::Due(DueBefore { ours: at(0), foreign: at(0), limit: 100 });
    let seen = bench.transact(&due, &claim(at(0), 1)).await;
    assert!(seen.len() == 100 && seen.iter().all(|seen| seen.written), "a hundred rows are claimed at once");
    bench
        .write(&tasks, &|row| {
            let event = Event::Failed { token: row.lease?, then: Then::Retry { due: at(row.id.get()) } };
            change(row, at(1), &[event], Some(&format!("reason of {}", row.id)))
        })
        .await;
    for record in bench.audit().await {
        let row = record.row.expect("the task has a row");
        assert_eq!(record.entries.len(), 3, "three entries for task {}", row.id);
        assert_eq!(row.reason, Some(format!("reason of {}", row.id)), "each row gets its own change");
        assert_eq!(row.due, at(row.id.get()), "each row gets its own change");
    }
}

/// A store may shorten what is longer than core lets through, and may replace NUL, which some databases stop at.
pub(super) async fn reasons_hold_any_text(bench: Bench<'_>) {
    let texts = [
        "'; DROP TABLE tasks; -- ".to_owned(),
        "\\' OR 1=1 /* \u{1a} */ %_ ?1 $1 :a".to_owned(),
        "\"quoted\" `ticked` {\"json\": [1]} \u{7f}\r\n\t".to_owned(),
        "\u{1f600} e\u{301} \u{202e}gnp \u{feff}".to_owned(),
        " NULL ".to_owned(),
        "0x41".to_owned(),
        String::new(),
        "before\0after".to_owned(),
        "\u{1f600}".repeat(REASON_LIMIT),
        "\u{1f600}'".repeat(2000),
    ];
    let tasks = bench.add(texts.len()).await;
    bench.write(&tasks, &claim(at(0), 1)).await;
    for (&task, text) in tasks.iter().zip(&texts) {
        let start: String = text.chars().take(30).collect();
        bench.write(&[task], &fail(at(1), Then::GiveUp { now: at(1) }, text)).await;
        let (row, entries) = bench.record(task).await;
        let in_ledger = entries.last().and_then(|entry| entry.reason.clone());
        assert_eq!(row.reason, in_ledger, "row and ledger give the same reason for {start:?}");
        let kept = row.reason.unwrap_or_else(|| panic!("the reason {start:?} was lost"));
        let clean = text.replace('\0', "\u{fffd}");
        let same = kept == *text || kept == clean;
        let shortened = kept.chars().count() >= REASON_LIMIT && (text.starts_with(&kept) || clean.starts_with(&kept));
        assert!(same || shortened, "the reason {start:?} came back as {kept:?}");
    }
    bench.audit().await;
}

pub(super) async fn no_reason_leaves_the_old_one(bench: Bench<'_>) {
    let task = bench.add(1).await;
    bench.write(&task, &claim(at(0), 1)).await;
    bench.write(&task, &fail(at(1), Then::Retry { due: at(1) }, "broken")).await;
    bench.write(&task, &claim(at(2), 2)).await;
    let (row, entries) = bench.record(task[0]).await;
    assert_eq!(row.reason.as_deref(), Some("broken"), "the row keeps the reason it had");
    assert_eq!(entries.last().and_then(|entry| entry.reason.clone()), None, "the entry has none of its own");
    bench.write(&task, &fail(at(3), Then::GiveUp { now: at(3) }, "broken again")).await;
    assert_eq!(bench.row(task[0]).await.reason.as_deref(), Some("broken again"), "a new reason replaces it");
}
