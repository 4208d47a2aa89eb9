//! When announcements are written, and what becomes of them.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use taskwatch_core::outbox::Announcement;
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::{NewTask, Task, TaskId};
use taskwatch_core::transition::{Event, Then};

use super::super::moves::{TRACE, at, claim, complete, fail, happen, ids, origin, release};
use super::{Desk, tasks};

pub(super) async fn nothing_is_announced_unless_asked_for(desk: Desk<'_>) {
    let added = desk.bench.add(2).await;
    desk.write(&added, &claim(at(0), 1)).await;
    desk.write(&added, &fail(at(1), Then::GiveUp { now: at(1) }, "no")).await;
    desk.write(&added, &happen(at(2), Event::Replayed { due: at(2) })).await;
    assert!(desk.drain().await.is_empty(), "a store that was not asked to writes no announcements");
}

pub(super) async fn what_is_added_or_replayed_is_announced_and_nothing_else(desk: Desk<'_>) {
    let added = desk.bench.add(4).await;
    let [done, dead, off, again] = added[..] else { panic!("four tasks were inserted: {added:?}") };
    assert_eq!(desk.drain().await, added, "each new task is announced, in order");
    desk.write(&added, &claim(at(0), 1)).await;
    assert!(desk.drain().await.is_empty(), "a start is not announced");
    desk.write(&[done], &complete(at(1))).await;
    desk.write(&[dead], &fail(at(1), Then::GiveUp { now: at(1) }, "no")).await;
    desk.write(&[again], &fail(at(1), Then::Retry { due: at(1) }, "not yet")).await;
    desk.write(&[again], &claim(at(2), 2)).await;
    desk.write(&[again], &release(at(2))).await;
    desk.write(&[off], &happen(at(1), Event::Cancelled { now: at(1) })).await;
    assert!(desk.drain().await.is_empty(), "no end of an attempt is announced, and no cancellation");
    let foreign = desk.bench.add_foreign("foreign", "Pending").await;
    desk.write(&[foreign.id], &|row| super::super::moves::change(row, at(3), &[], None)).await;
    assert!(desk.drain().await.is_empty(), "an adoption is not announced");
    desk.write(&[dead], &happen(at(4), Event::Replayed { due: at(4) })).await;
    assert_eq!(desk.drain().await, [dead], "a replay is announced");
}

pub(super) async fn replays_keep_their_trace(desk: Desk<'_>) {
    let task = desk.bench.add(1).await;
    desk.write(&task, &claim(at(0), 1)).await;
    desk.write(&task, &fail(at(1), Then::GiveUp { now: at(1) }, "no")).await;
    desk.write(&task, &happen(at(2), Event::Replayed { due: at(2) })).await;
    let traces: Vec<Option<String>> = desk.take(9, 2, 9).await.into_iter().map(|one| one.trace).collect();
    assert_eq!(traces, [None, Some(TRACE.to_owned())], "an announcement has the trace of its entry");
}

pub(super) async fn nothing_is_announced_before_it_is_due(desk: Desk<'_>) {
    let added = desk.add_due(&[0, 30]).await;
    assert_eq!(tasks(&desk.take(9, 29, 100).await), added[..1], "what is not due yet waits");
    assert_eq!(tasks(&desk.take(9, 30, 100).await), added[1..], "what is due at this very moment comes");
    // The replay is due later than its decision.
    let dead = &added[..1];
    desk.drain().await;
    desk.write(dead, &claim(at(40), 1)).await;
    desk.write(dead, &fail(at(41), Then::GiveUp { now: at(41) }, "no")).await;
    desk.write(dead, &happen(at(42), Event::Replayed { due: at(50) })).await;
    assert!(desk.take(9, 49, 100).await.is_empty(), "a replay waits until it is due");
    assert_eq!(tasks(&desk.take(9, 50, 100).await), dead, "and then comes");
}

pub(super) async fn those_waiting_longest_come_first_and_no_more_than_asked(desk: Desk<'_>) {
    let added = desk.add_due(&[30, 10, 20, 10]).await;
    let [thirty, ten, twenty, ten_too] = added[..] else { panic!("four tasks were inserted: {added:?}") };
    assert!(desk.take(0, 30, 100).await.is_empty(), "none are asked for");
    assert_eq!(tasks(&desk.take(3, 30, 100).await), [ten, ten_too, twenty], "by due time, then as they were written");
    assert_eq!(tasks(&desk.take(3, 30, 100).await), [thirty], "the rest");
}

pub(super) async fn what_was_taken_is_hidden_and_comes_again(desk: Desk<'_>) {
    let added = desk.bench.add(2).await;
    let first = desk.take(1, 0, 60).await;
    assert_eq!(tasks(&first), added[..1], "the first is taken");
    let second = desk.take(9, 59, 90).await;
    assert_eq!(tasks(&second), added[1..], "what was taken is hidden");
    assert_ne!(first[0].number, second[0].number, "each has a number of its own");
    let again = desk.take(9, 60, 90).await;
    assert_eq!(again, first, "what was not published comes again, under its old number");
    assert_eq!(tasks(&desk.take(9, 90, 100).await), added, "and again, each in its turn");
}

pub(super) async fn what_was_published_never_comes_again(desk: Desk<'_>) {
    let added = desk.bench.add(3).await;
    let taken = desk.take(9, 0, 60).await;
    desk.publish(&taken[..2]).await;
    assert_eq!(tasks(&desk.take(9, 60, 120).await), added[2..], "what was published is gone, and nothing else");
    desk.publish(&taken).await;
    desk.publish(&taken).await;
    desk.publish(&[]).await;
    assert!(desk.take(9, 1000, 2000).await.is_empty(), "all were published, some of them twice");
    let later = desk.bench.add(1).await;
    // A relay that was slow reports once more.
    desk.publish(&taken).await;
    let taken_later = desk.take(9, 1000, 2000).await;
    assert_eq!(tasks(&taken_later), later, "numbers are not used again");
}

pub(super) async fn takers_at_the_same_time_share_the_work(desk: Desk<'_>) {
    let added = desk.bench.add(60).await;
    let taken = join_all((0..4).map(|_| async move {
        let mut mine: Vec<TaskId> = Vec::new();
        // An outbox that hands out the same for ever must come to an end all the same.
        while mine.len() <= 60 {
            let some = tasks(&desk.take(7, 0, 60).await);
            if some.is_empty() {
                break;
            }
            mine.extend(some);
        }
        mine
    }))
    .await
    .concat();
    let different: BTreeSet<TaskId> = taken.iter().copied().collect();
    assert_eq!(taken.len(), different.len(), "nobody takes what another has taken");
    assert!(different.into_iter().eq(added), "between them, they take everything");
}

pub(super) async fn a_refused_insert_announces_nothing(desk: Desk<'_>) {
    let batch = [NewTask::titled("fits"), NewTask::titled("x".repeat(256))];
    let refused = desk.bench.store.insert(&batch, &origin(), at(0)).await;
    assert!(refused.is_err(), "a title of 256 characters is refused: {refused:?}");
    assert!(desk.drain().await.is_empty(), "nothing is announced of a batch that was refused");
}

pub(super) async fn a_used_key_announces_nothing_twice(desk: Desk<'_>) {
    let keyed = |key: &str| NewTask { idempotency_key: Some(key.to_owned()), ..NewTask::titled(key) };
    let first = desk.bench.insert(&[keyed("a"), keyed("b"), keyed("a")]).await;
    assert_eq!(desk.drain().await, first[..2], "a key that comes twice in a batch is announced once");
    let second = desk.bench.insert(&[keyed("b"), keyed("c"), keyed("a")]).await;
    assert_eq!(desk.drain().await, second[1..2], "a key that was used before is not announced again");
    let third = desk.bench.store.insert(&[keyed("c")], &origin(), at(1)).await.expect("the insert goes through");
    assert_eq!(third, [Inserted::Existed(second[1])], "a batch of nothing new");
    assert!(desk.drain().await.is_empty(), "a batch of nothing new announces nothing");
}

/// Two replay the same tasks at once: one of them loses, and its announcements with it.
pub(super) async fn a_lost_compare_and_set_announces_nothing(desk: Desk<'_>) {
    let added = desk.bench.add(5).await;
    desk.write(&added, &claim(at(0), 1)).await;
    desk.write(&added, &fail(at(1), Then::GiveUp { now: at(1) }, "no")).await;
    desk.drain().await;
    let replay = happen(at(2), Event::Replayed { due: at(2) });
    let (select, replay) = (ids(&added), &replay);
    join_all((0..3).map(|_| desk.bench.transact(&select, replay))).await;
    assert_eq!(desk.drain().await, added, "each task was replayed once and is announced once");
}

pub(super) async fn deleted_tasks_vanish_and_make_room(desk: Desk<'_>) {
    let added = desk.bench.add(6).await;
    for &task in &added[..4] {
        desk.bench.foreign.delete(task).await;
    }
    assert_eq!(tasks(&desk.take(1, 0, 60).await), added[4..5], "those without a row do not stand in the way");
    assert_eq!(tasks(&desk.take(9, 0, 60).await), added[5..], "the rest comes");
    assert_eq!(tasks(&desk.take(9, 60, 90).await), added[4..], "those without a row have gone for good");
    for &task in &added[4..] {
        desk.bench.foreign.delete(task).await;
    }
    assert!(desk.take(9, 90, 120).await.is_empty(), "nothing is left to announce");
}

pub(super) async fn the_task_is_told_as_it_is_now(desk: Desk<'_>) {
    let long = "d\n\"\\%_\u{1f600}".repeat(1000);
    let new = [
        NewTask { description: Some(long.clone()), ..NewTask::titled("all'; -- \u{1f600}") },
        NewTask { trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()), ..NewTask::titled("traced") },
        NewTask::titled("without a description"),
    ];
    let traces: Vec<Option<String>> = new.iter().map(|task| task.trace.clone()).collect();
    let added = desk.bench.insert(&new).await;
    let taken = desk.take(9, 0, 60).await;
    let told: Vec<Task> = taken.iter().map(|Announcement { task, .. }| task.clone()).collect();
    let expected = new.into_iter().zip(&added);
    let expected = expected.map(|(task, &id)| Task { id, title: task.title, description: task.description });
    assert!(told.iter().cloned().eq(expected), "id, title and description come as they were added: {told:?}");
    let told: Vec<Option<String>> = taken.iter().map(|one| one.trace.clone()).collect();
    assert_eq!(told, traces, "each comes with the trace of whoever added it");
    let numbers: BTreeSet<i64> = taken.iter().map(|one| one.number).collect();
    assert_eq!(numbers.len(), 3, "each announcement has a number of its own");
}
