//! The suite that every outbox passes. Whatever it asks for, the relay relies on.

mod cases;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use taskwatch_core::outbox::{Announcement, Outbox};
use taskwatch_core::ports::{Decide, Records, Store};
use taskwatch_core::task::{NewTask, TaskId};

use super::moves::at;
use super::{Bench, Failure, ForeignWrites, insist, message};

/// Runs every case, each on a store of its own, which `fresh` makes: empty, with the other program beside it, and writing
/// announcements if `fresh` is given true.
///
/// # Panics
/// If the outbox does not pass; the message names each case that failed.
pub async fn outbox<S: Store + Records + Outbox, W: ForeignWrites>(fresh: impl AsyncFn(bool) -> (S, W)) {
    insist(&outbox_failures(fresh).await, cases().len());
}

/// Like [`outbox`], but answers with the cases that failed.
pub async fn outbox_failures<S: Store + Records + Outbox, W: ForeignWrites>(
    fresh: impl AsyncFn(bool) -> (S, W),
) -> Vec<Failure> {
    let mut failures = Vec::new();
    for Case { name, announces, run } in cases() {
        let (store, foreign) = fresh(announces).await;
        let desk = Desk { bench: Bench { store: &store, records: &store, foreign: &foreign }, outbox: &store };
        if let Err(panic) = AssertUnwindSafe(run(desk)).catch_unwind().await {
            failures.push(Failure { case: name, message: message(&*panic) });
        }
    }
    failures
}

/// The names of the cases, in the order in which they run.
#[must_use]
pub fn outbox_cases() -> Vec<&'static str> {
    cases().into_iter().map(|case| case.name).collect()
}

struct Case {
    name: &'static str,
    announces: bool,
    run: for<'a> fn(Desk<'a>) -> BoxFuture<'a, ()>,
}

macro_rules! cases {
    ($($announces:literal: $($case:ident),+;)+) => {
        vec![$($( Case { name: stringify!($case), announces: $announces, run: |desk| Box::pin(cases::$case(desk)) } ),+),+]
    };
}

fn cases() -> Vec<Case> {
    cases! {
        false: nothing_is_announced_unless_asked_for;
        true: what_is_added_or_replayed_is_announced_and_nothing_else, replays_keep_their_trace,
            nothing_is_announced_before_it_is_due, those_waiting_longest_come_first_and_no_more_than_asked,
            what_was_taken_is_hidden_and_comes_again, what_was_published_never_comes_again,
            takers_at_the_same_time_share_the_work, a_refused_insert_announces_nothing,
            a_used_key_announces_nothing_twice, a_lost_compare_and_set_announces_nothing,
            deleted_tasks_vanish_and_make_room, the_task_is_told_as_it_is_now;
    }
}

/// What a case works on.
#[derive(Clone, Copy)]
struct Desk<'a> {
    bench: Bench<'a>,
    outbox: &'a dyn Outbox,
}

impl Desk<'_> {
    /// Takes what is due at `seconds`, to be hidden until `again`.
    async fn take(&self, limit: usize, seconds: i64, again: i64) -> Vec<Announcement> {
        self.outbox.take(limit, at(seconds), at(again)).await.expect("announcements can be taken")
    }

    /// Which tasks are announced, in order: far into the future, and for good.
    async fn drain(&self) -> Vec<TaskId> {
        let all = self.take(1000, 1_000_000, 2_000_000).await;
        self.publish(&all).await;
        tasks(&all)
    }

    async fn publish(&self, announcements: &[Announcement]) {
        let numbers: Vec<i64> = announcements.iter().map(|one| one.number).collect();
        self.outbox.published(&numbers).await.expect("publications can be noted");
    }

    /// Tasks that are due at these seconds.
    async fn add_due(&self, seconds: &[i64]) -> Vec<TaskId> {
        let due = |&seconds: &i64| NewTask { not_before: Some(at(seconds)), ..NewTask::titled(seconds.to_string()) };
        self.bench.insert(&seconds.iter().map(due).collect::<Vec<NewTask>>()).await
    }

    async fn write(&self, tasks: &[TaskId], decide: &Decide<'_>) {
        self.bench.write(tasks, decide).await;
    }
}

fn tasks(announcements: &[Announcement]) -> Vec<TaskId> {
    announcements.iter().map(|one| one.task.id).collect()
}
