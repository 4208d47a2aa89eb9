//! Another program on the same table.

use std::time::Duration;

use taskwatch_core::ports::Select;
use taskwatch_core::task::{FoundStatus, Status};
use taskwatch_core::transition::EventKind;

use super::Bench;
use super::moves::{at, before, claim, complete, ids};

const MOMENT: Duration = Duration::from_micros(1);

pub(super) async fn foreign_rows_have_a_bound_of_their_own(bench: Bench<'_>) {
    let pending = bench.add_foreign("their pending", "Pending").await;
    let running = bench.add_foreign("their running", "In Progress").await;
    let [ours, ours_running] = bench.add(2).await[..] else { panic!("two tasks were inserted") };
    bench.write(&[ours_running], &claim(at(0), 1)).await;
    let (early, late) = (at(0).minus(MOMENT), at(3600));

    let due = async |ours, foreign| bench.selected(&Select::Due(before(ours, foreign))).await;
    assert_eq!(due(early, pending.due).await, [pending.id], "a foreign row is due at its own bound, not at ours");
    assert_eq!(due(late, pending.due.minus(MOMENT)).await, [ours], "a foreign row is not due before its bound");
    let mut both = due(late, pending.due).await;
    both.sort_unstable();
    assert_eq!(both, [pending.id, ours], "each by its own bound");

    let over = async |ours, foreign| bench.selected(&Select::LeaseOver(before(ours, foreign))).await;
    assert_eq!(over(early, running.due).await, [running.id], "a foreign row runs until its own bound");
    assert_eq!(over(late, running.due.minus(MOMENT)).await, [ours_running], "a foreign row is given its time");
}

pub(super) async fn overwritten_rows_have_the_foreign_bound(bench: Bench<'_>) {
    let tasks = bench.add(2).await;
    bench.write(&tasks, &claim(at(0), 1)).await;
    bench.foreign.write_status(tasks[1], "Pending").await;
    let (row, entries) = bench.record(tasks[1]).await;
    assert_eq!(row.status, FoundStatus::Known(Status::Pending), "the status column is told as it is");
    assert_eq!(row.recorded, Some(Status::InProgress), "what the ledger wrote last is remembered");
    assert_eq!(entries.len(), 2, "the other program leaves no entry");
    let due = async |ours, foreign| bench.selected(&Select::Due(before(ours, foreign))).await;
    assert_eq!(due(row.due.minus(MOMENT), row.due).await, [tasks[1]], "an overwritten row has the foreign bound");
    let none: [taskwatch_core::task::TaskId; 0] = [];
    assert_eq!(due(row.due, row.due.minus(MOMENT)).await, none, "an overwritten row does not have our bound");
    let over = bench.selected(&Select::LeaseOver(before(at(3600), at(3600)))).await;
    assert_eq!(over, [tasks[0]], "rows are selected by the column, not by what the ledger wrote last");
}

pub(super) async fn foreign_rows_are_adopted_as_they_are(bench: Bench<'_>) {
    let row = bench.add_foreign("theirs", "Pending").await;
    assert_eq!((row.recorded, row.seq, row.lease, row.attempt), (None, 0, None, 0), "nobody has touched the row");
    assert_eq!(row.state(), None, "the ledger knows nothing of the row");
    bench.write(&[row.id], &claim(row.due, 1)).await;
    let (after, entries) = bench.record(row.id).await;
    let events: Vec<EventKind> = entries.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [EventKind::Adopted, EventKind::Started], "several entries of one change are all written");
    assert_eq!((after.seq, after.recorded), (2, Some(Status::InProgress)), "the row is ours now");
    assert_eq!((after.title, after.created), (row.title, row.created), "what the other program wrote is kept");
    bench.audit().await;
}

pub(super) async fn unknown_statuses_are_told_and_left_alone(bench: Bench<'_>) {
    for status in ["pending", "Paused", "In progress", ""] {
        let row = bench.add_foreign(&format!("odd {status}"), status).await;
        assert_eq!(row.status, FoundStatus::Unknown(status.to_owned()), "the status column is told as it is");
        let late = row.due + Duration::from_secs(86_400);
        let all = before(late, late);
        assert!(bench.selected(&Select::Due(all)).await.is_empty(), "{status:?} is not Pending");
        assert!(bench.selected(&Select::LeaseOver(all)).await.is_empty(), "{status:?} is not In Progress");
        assert_eq!(bench.selected(&ids(&[row.id])).await, [row.id], "a row can be had by its id whatever it says");
    }
}

pub(super) async fn settled_rows_are_not_handed_out_again(bench: Bench<'_>) {
    let tasks = bench.add(2).await;
    bench.write(&tasks, &claim(at(0), 1)).await;
    bench.write(&tasks, &complete(at(1))).await;
    bench.foreign.write_status(tasks[0], "Pending").await;
    bench.foreign.write_status(tasks[1], "In Progress").await;
    let all = before(at(86_400), at(86_400));
    assert!(bench.selected(&Select::Due(all)).await.is_empty(), "what was completed is not due, whatever it says");
    assert!(bench.selected(&Select::LeaseOver(all)).await.is_empty(), "what was completed does not run");
    let row = bench.row(tasks[0]).await;
    assert_eq!((row.status.known(), row.recorded), (Some(Status::Pending), Some(Status::Completed)));
}
