//! Databases that are away, at each call that is made of them.

use std::sync::Arc;

use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::TaskId;
use taskwatch_core::transition::EventKind;
use taskwatch_replay::journal::{Journal, State};
use taskwatch_replay::run::RunError;

use crate::bench::{Bench, COMPLETED, How, SECOND, entries, states};
use crate::letters::about;
use crate::store::Fault;

/// A task that never ran, one that failed, and one that was completed before.
async fn three(bench: &Bench) -> (Vec<TaskId>, Journal) {
    let tasks = vec![bench.task().await, bench.failed().await, bench.task().await];
    bench.deliver(tasks[2]).await;
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    (tasks, journal)
}

/// How many calls a run makes where nothing fails.
async fn calls() -> usize {
    let bench = Bench::with(1);
    let (_, journal) = three(&bench).await;
    bench.store.fail(0..0, Fault::Away);
    bench.run(&journal, How::default()).await.result.unwrap();
    bench.store.calls()
}

/// The look, the putting back, and the claim and the end of both.
const LEAST: usize = 4;

#[tokio::test]
async fn a_database_that_comes_back_costs_nothing_wherever_it_was_away() {
    let calls = calls().await;
    assert!(calls >= LEAST, "{calls}");
    for fault in [Fault::Away, Fault::Unconfirmed] {
        for first in 0..calls {
            let bench = Bench::slow();
            let (tasks, journal) = three(&bench).await;
            bench.store.fail(first..first + 3, fault);
            let ran = bench.run(&journal, How::default()).await;
            let at = format!("{fault:?} at call {first}: {:?}", ran.fates);
            assert!(ran.result.is_ok(), "{at}: {:?}", ran.result);
            assert_eq!(ran.names(), [(1, "completed"), (2, "completed"), (3, "dropped")], "{at}");
            let mut worked = bench.script.ran();
            worked.sort_unstable();
            assert_eq!(worked, [tasks[0].get(), tasks[1].get()], "{at}");
            assert_eq!(bench.replays(tasks[1]).await.len(), 1, "{at}");
            bench.assert_balanced();
        }
    }
}

/// A result is not thrown away by itself: once it could not be written for a while, somebody says stop. All else ends by
/// itself.
fn unwritten(bench: &Bench, first: usize) -> Stop {
    let (clock, store, script) = (bench.clock, Arc::clone(&bench.store), Arc::clone(&bench.script));
    Stop::when(async move {
        let completed = || {
            let records = store.memory.snapshot();
            let all = records.iter().flat_map(|record| &record.entries);
            all.filter(|entry| entry.event == EventKind::Completed).count()
        };
        let before = completed();
        while script.count() + before <= completed() || store.calls() < first + 20 {
            clock.sleep(SECOND).await;
        }
    })
}

#[tokio::test]
async fn a_database_that_stays_away_ends_the_run_and_nothing_is_lost() {
    for first in 0..calls().await {
        let bench = Bench::with(1);
        let (tasks, journal) = three(&bench).await;
        bench.store.fail(first..usize::MAX, Fault::Away);
        let ran = bench.run(&journal, How { stop: unwritten(&bench, first), ..How::default() }).await;
        let worked = bench.script.ran();
        let at = format!("away from call {first} on: {:?} {:?}", ran.result, ran.fates);
        match first {
            0 => assert!(matches!(ran.result, Err(RunError::Plan(_))), "{at}"),
            1 => assert!(matches!(ran.result, Err(RunError::PutBack(_))), "{at}"),
            _ => assert!(ran.result.is_ok() && ran.without_database > 0, "{at}"),
        }
        let found = states(&journal).await;
        for (n, entry) in entries(&journal).await.iter().enumerate() {
            assert!(matches!(entry.state, State::Kept | State::Settled), "{at}: {entry:?}");
            let ledger = bench.record(tasks[n]).await.unwrap().entries;
            let is_completed = ledger.iter().any(|entry| entry.event == EventKind::Completed);
            assert_eq!(found[n] == COMPLETED, is_completed && n < 2, "{at}: letter {}", n + 1);
        }
        // Back again: whatever had begun and could not be written is left to its lease.
        bench.store.fail(0..0, Fault::Away);
        let ran = bench.run(&journal, How::default()).await;
        ran.result.as_ref().unwrap();
        for (n, task) in tasks.iter().enumerate().take(2) {
            let name = ran.fates.get(&(n as i64 + 1)).map(taskwatch_replay::run::Fate::name);
            let before = found[n] == COMPLETED;
            let unwritten = worked.contains(&task.get()) && !before;
            let expected = if before {
                None
            } else if unwritten {
                Some("left")
            } else {
                Some("completed")
            };
            assert_eq!(name, expected, "{at}; then {:?}", ran.fates);
        }
        assert!(bench.replays(tasks[1]).await.len() <= 1, "{at}");
        bench.assert_balanced();
    }
}

#[tokio::test]
async fn the_journal_is_told_nothing_that_the_ledger_does_not_know() {
    let bench = Bench::with(1);
    let (_, journal) = three(&bench).await;
    // The look, the putting back, the claim: then nothing can be written.
    bench.store.fail(3..usize::MAX, Fault::Away);
    bench.run(&journal, How { stop: unwritten(&bench, 3), ..How::default() }).await;
    assert!(!bench.script.ran().is_empty());
    assert!(!states(&journal).await.contains(&COMPLETED));
}
