//! One letter of each kind, and all that a run may be told.

use taskwatch_core::ports::{Clock as _, Failure};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, OnAbandon, Status};
use taskwatch_replay::journal::State;
use taskwatch_replay::run::{Fate, Rules};
use taskwatch_replay::{Edit, Filter};

use crate::bench::{Bench, COMPLETED, DROPPED, FAILED, HOUR, How, KEPT, SECOND, entries, states};
use crate::letters::{about, saying};
use crate::work::Step;

fn once() -> NewTask {
    NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("Pay") }
}

#[tokio::test]
async fn each_letter_ends_as_its_task_allows() {
    let bench = Bench::new();
    // One after the other, so that whoever is due first is the one meant.
    let twice = bench.add(once()).await;
    bench.abandon(twice).await;
    let single = bench.add(NewTask { max_attempts: Some(1), ..NewTask::titled("Sweep") }).await;
    bench.abandon(single).await;
    let running = bench.task().await;
    bench.vanish(running, 12 * HOUR).await;
    let (fresh, failed, done, cancelled) =
        (bench.task().await, bench.failed().await, bench.task().await, bench.task().await);
    bench.deliver(done).await;
    bench.engine.cancel(&[cancelled], "no longer needed").await.unwrap();
    let now = bench.clock.now();
    let soon = bench.add(NewTask { not_before: Some(now + 20 * SECOND), ..NewTask::titled("Sweep") }).await;
    let late = bench.add(NewTask { not_before: Some(now + 10 * HOUR), ..NewTask::titled("Sweep") }).await;
    let bad = bench.failed().await;
    bench.script.next(bad, Step::Fail(Failure::permanent("still broken")));
    let odd = bench.store.memory.foreign_insert("Sweep", "on hold");
    let missing = 99.try_into().unwrap();

    let tasks = [fresh, failed, done, cancelled, missing, soon, late, twice, single, running, bad, odd];
    let mut letters: Vec<_> = tasks.into_iter().map(about).collect();
    letters.push(saying("no task at all"));
    letters.push(about(failed));
    let journal = bench.journal(&letters).await;
    let ran = bench.run(&journal, How::default()).await;
    ran.result.as_ref().unwrap();
    let names = [
        "completed",
        "completed",
        "dropped",
        "dropped",
        "left",
        "completed",
        "later",
        "left",
        "completed",
        "left",
        "failed",
        "left",
        "left",
        "dropped",
    ];
    let names: Vec<_> = (1..).zip(names).collect();
    assert_eq!(ran.names(), names, "{:?}", ran.fates);
    let found = [
        COMPLETED, COMPLETED, DROPPED, DROPPED, KEPT, COMPLETED, KEPT, KEPT, COMPLETED, KEPT, FAILED, KEPT, KEPT,
        DROPPED,
    ];
    assert_eq!(states(&journal).await, found);
    let mut worked = bench.script.ran();
    worked.sort_unstable();
    let mut expected = [fresh, failed, soon, single, bad].map(taskwatch_core::task::TaskId::get);
    expected.sort_unstable();
    assert_eq!(worked, expected);
    // By whom and why, and for which letter.
    assert_eq!(bench.replays(failed).await, [format!("tests: because [{}/2.1]", journal.id())]);
    assert_eq!(bench.replays(fresh).await, [] as [&str; 0]);
    assert_eq!(ran.fates[&11], Fate::Failed("still broken".to_owned()));
    bench.assert_balanced();

    // Once more: nothing is done twice.
    let ran = bench.run(&journal, How::default()).await;
    assert_eq!(ran.names(), [(5, "left"), (7, "later"), (8, "left"), (10, "left"), (12, "left"), (13, "left")]);
    assert_eq!(bench.script.ran(), [] as [i64; 0]);
    // A person has found out.
    let rules = Rules { uncertain: true, ..How::default().rules };
    let ran = bench.run(&journal, How { rules, ..How::default() }).await;
    assert_eq!((bench.script.ran(), ran.fates[&8].name()), (vec![twice.get()], "completed"));
    assert_eq!(bench.replays(twice).await.len(), 1);
    bench.assert_balanced();
}

#[tokio::test]
async fn a_limit_counts_what_goes() {
    let bench = Bench::new();
    let done = bench.task().await;
    bench.deliver(done).await;
    let tasks = bench.tasks(4).await;
    let mut letters = vec![about(done)];
    letters.extend(tasks.iter().map(|task| about(*task)));
    let journal = bench.journal(&letters).await;
    let ran = bench.run(&journal, How { limit: Some(2), ..How::default() }).await;
    assert_eq!(ran.names(), [(1, "dropped"), (2, "completed"), (3, "completed")]);
    assert_eq!(states(&journal).await, [DROPPED, COMPLETED, COMPLETED, KEPT, KEPT]);
    assert_eq!(entries(&journal).await[3].begins, 0);
    let ran = bench.run(&journal, How { limit: Some(0), ..How::default() }).await;
    assert_eq!((ran.names(), bench.script.ran().len()), (vec![], 2));
}

/// The same command goes on to its limit and not beyond.
#[tokio::test]
async fn a_limit_counts_what_a_killed_run_had_done() {
    let bench = Bench::new();
    let tasks = bench.tasks(3).await;
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    journal.begin(&[1.into()], bench.clock.now()).await.unwrap();
    bench.clock.sleep(SECOND).await;
    bench.deliver(tasks[0]).await;
    journal.close().await;
    let journal = bench.open().await;
    let ran = bench.run(&journal, How { limit: Some(2), ..How::default() }).await;
    assert_eq!(ran.names(), [(1, "completed"), (2, "completed")]);
    assert_eq!(states(&journal).await, [COMPLETED, COMPLETED, KEPT]);
    assert_eq!(bench.script.ran(), [tasks[1].get()]);
}

#[tokio::test]
async fn what_does_not_pass_the_filter_is_left_alone() {
    let bench = Bench::new();
    let tasks = bench.tasks(5).await;
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    let filter = Filter { tasks: vec![tasks[1].get()..=tasks[2].get()], ..Filter::default() };
    let ran = bench.run(&journal, How { filter, ..How::default() }).await;
    assert_eq!(ran.names(), [(2, "completed"), (3, "completed")]);
    assert_eq!(*ran.heard.passed_over.lock().unwrap(), 3);
    assert_eq!(states(&journal).await, [KEPT, COMPLETED, COMPLETED, KEPT, KEPT]);
}

#[tokio::test]
async fn an_edit_mends_a_letter_and_is_seen_in_the_ledger() {
    let bench = Bench::new();
    let task = bench.failed().await;
    let journal = bench.journal(&[saying(r#"{"task": 1, "kept": true}"#), saying("no JSON")]).await;
    let edit = || Some(Edit::parse(&format!(r#"{{"task_id": {task}}}"#)).unwrap());
    let ran = bench.run(&journal, How { edit: edit(), ..How::default() }).await;
    assert_eq!(ran.names(), [(1, "completed"), (2, "left")]);
    assert!(ran.fates[&2].to_string().contains("cannot be edited"), "{:?}", ran.fates);
    assert_eq!(bench.replays(task).await, [format!("tests: because, edited [{}/1.1]", journal.id())]);
    let body = entries(&journal).await[0].edited.clone().unwrap().0;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, serde_json::json!({ "task": 1, "kept": true, "task_id": task }));
}

/// With the same edit, and without one: it is kept.
#[tokio::test]
async fn an_edited_letter_that_a_killed_run_had_begun_goes_on() {
    for with in [true, false] {
        let bench = Bench::new();
        let task = bench.task().await;
        let journal = bench.journal(&[saying("{}")]).await;
        let edit = Edit::parse(&format!(r#"{{"task_id": {task}}}"#)).unwrap();
        journal.edit(&[(1.into(), edit.apply("{}").unwrap())], bench.clock.now()).await.unwrap();
        journal.begin(&[1.into()], bench.clock.now()).await.unwrap();
        journal.close().await;
        let journal = bench.open().await;
        let ran = bench.run(&journal, How { edit: with.then_some(edit), ..How::default() }).await;
        ran.result.as_ref().unwrap();
        assert_eq!((ran.names(), states(&journal).await), (vec![(1, "completed")], vec![COMPLETED]));
        assert_eq!(bench.status(task).await, Some(Status::Completed));
    }
}

#[tokio::test]
async fn a_task_is_tried_again_as_long_as_patience_lasts() {
    let bench = Bench::new();
    let tasks = bench.tasks(3).await;
    let again = |after| Step::Fail(Failure::retry_after(after, "busy"));
    bench.script.next(tasks[0], again(20 * SECOND));
    bench.script.next(tasks[0], again(20 * SECOND));
    bench.script.next(tasks[1], again(HOUR));
    // Each time soon, and in all too late.
    bench.script.next(tasks[2], again(40 * SECOND));
    bench.script.next(tasks[2], again(40 * SECOND));
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    let ran = bench.run(&journal, How::default()).await;
    assert_eq!(ran.names(), [(1, "completed"), (2, "later"), (3, "later")]);
    assert_eq!(states(&journal).await, [COMPLETED, KEPT, KEPT]);
    let ran = bench.script.ran();
    let count = |task: usize| ran.iter().filter(|one| **one == tasks[task].get()).count();
    assert_eq!((count(0), count(1), count(2)), (3, 1, 2));
    let why = entries(&journal).await[1].why.clone().unwrap();
    assert_eq!(why, "failed, will be retried: busy");
}

#[tokio::test]
async fn a_handler_that_cannot_be_reached_ends_the_run_after_its_patience() {
    let bench = Bench::with(2);
    let tasks = bench.tasks(300).await;
    for task in &tasks {
        for _ in 0..100 {
            bench.script.next(*task, Step::Fail(Failure::not_begun("no such command")));
        }
    }
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    let ran = bench.run(&journal, How { patience: 30 * SECOND, ..How::default() }).await;
    ran.result.as_ref().unwrap();
    let tried = bench.script.ran().len();
    assert!((2..300).contains(&tried), "each letter is waited for by itself: {tried}");
    assert!(ran.fates.values().all(|fate| fate.name() == "later"), "{:?}", ran.fates);
    assert_eq!(states(&journal).await, [KEPT; 300]);
}

#[tokio::test]
async fn a_run_that_is_stopped_leaves_the_rest_free() {
    for step in [Step::Stop, Step::StopAndHang] {
        let bench = Bench::with(1);
        let tasks = bench.tasks(6).await;
        bench.fail(tasks[1]).await;
        bench.fail(tasks[5]).await;
        bench.script.next(tasks[2], step.clone());
        let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
        let ran = bench.run(&journal, How { stop: bench.stop(), ..How::default() }).await;
        ran.result.as_ref().unwrap();
        assert_eq!(bench.script.ran(), [tasks[0], tasks[1], tasks[2]].map(|task| task.get()), "{step:?}");
        let third = if matches!(step, Step::Stop) { COMPLETED } else { KEPT };
        assert_eq!(states(&journal).await, [COMPLETED, COMPLETED, third, KEPT, KEPT, KEPT], "{step:?}");
        assert_eq!(ran.fates.len(), 6, "each is told of: {:?}", ran.fates);
        let ran = bench.run(&journal, How::default()).await;
        ran.result.as_ref().unwrap();
        assert_eq!(states(&journal).await, [COMPLETED; 6], "{step:?}");
        assert_eq!(bench.replays(tasks[5]).await.len(), 1, "it was put back, and is not put back again");
        bench.assert_balanced();
    }
}

#[tokio::test]
async fn whoever_waits_for_the_rate_hears_of_a_stop_and_has_begun_little() {
    let bench = Bench::draining();
    let tasks = bench.tasks(3).await;
    bench.fail(tasks[2]).await;
    bench.script.next(tasks[0], Step::Stop);
    let journal = bench.journal(&tasks.iter().map(|task| about(*task)).collect::<Vec<_>>()).await;
    let how = How { pace: Some("1/h"), stop: bench.stop(), ..How::default() };
    let ran = bench.run(&journal, how).await;
    assert_eq!(ran.names(), [(1, "completed")]);
    assert_eq!(states(&journal).await, [COMPLETED, KEPT, KEPT]);
    assert_eq!(bench.replays(tasks[2]).await, [""; 0], "put back before its turn, others would find it");
}

#[tokio::test]
async fn what_was_put_back_often_enough_is_left_alone() {
    let bench = Bench::new();
    let task = bench.failed().await;
    bench.engine.replay(&[task], "somebody else").await.unwrap();
    bench.fail(task).await;
    let journal = bench.journal(&[about(task)]).await;
    let rules = |max_replays| Rules { max_replays, ..How::default().rules };
    let ran = bench.run(&journal, How { rules: rules(1), ..How::default() }).await;
    assert!(ran.fates[&1].to_string().contains("put back 1 times already"), "{:?}", ran.fates);
    assert_eq!((states(&journal).await, bench.script.ran()), (vec![KEPT], vec![]));
    let ran = bench.run(&journal, How { rules: rules(2), ..How::default() }).await;
    assert_eq!(ran.names(), [(1, "completed")]);
}

/// A task that kills whoever works it is given up each time its worker is gone.
#[tokio::test]
async fn the_cap_holds_for_a_letter_whose_task_was_abandoned_each_time() {
    let bench = Bench::new();
    let task = bench.add(NewTask { max_attempts: Some(1), ..NewTask::titled("Crash") }).await;
    bench.abandon(task).await;
    let mut journal = bench.journal(&[about(task)]).await;
    for times in 1..=3 {
        journal.begin(&[1.into()], bench.clock.now()).await.unwrap();
        let mark = format!("tests [{}/1.{times}]", journal.id());
        bench.engine.replay(&[task], &mark).await.unwrap();
        bench.abandon(task).await;
        journal.close().await;
        journal = bench.open().await;
    }
    let ran = bench.run(&journal, How::default()).await;
    assert!(ran.fates[&1].to_string().contains("put back 3 times already"), "{:?}", ran.fates);
    assert_eq!(bench.replays(task).await.len(), 3);
}

#[tokio::test]
async fn what_failed_for_good_goes_again_when_somebody_says_so() {
    let bench = Bench::new();
    let task = bench.failed().await;
    bench.script.next(task, Step::Fail(Failure::permanent("still broken")));
    let journal = bench.journal(&[about(task)]).await;
    assert_eq!(bench.run(&journal, How::default()).await.names(), [(1, "failed")]);
    assert_eq!(bench.run(&journal, How::default()).await.names(), []);
    assert_eq!((states(&journal).await, bench.replays(task).await.len()), (vec![FAILED], 1));
    assert_eq!(journal.reopen_failed(bench.clock.now()).await.unwrap(), 1);
    assert_eq!(states(&journal).await, [KEPT]);
    assert_eq!(bench.run(&journal, How::default()).await.names(), [(1, "completed")]);
    let replays = bench.replays(task).await;
    assert_eq!((replays.len(), states(&journal).await), (2, vec![COMPLETED]), "{replays:?}");
    assert_ne!(replays[0], replays[1]);
    assert_eq!(bench.script.ran().len(), 2);
}

/// The ledger takes 1,024 characters.
#[tokio::test]
async fn a_long_reason_leaves_room_for_the_mark() {
    let bench = Bench::new();
    let task = bench.failed().await;
    let journal = bench.journal(&[about(task)]).await;
    bench.run(&journal, How { why: "ö".repeat(3000), ..How::default() }).await;
    let replays = bench.replays(task).await;
    assert!(replays[0].chars().count() <= 1024, "{}", replays[0].chars().count());
    assert!(replays[0].ends_with(&format!(" [{}/1.1]", journal.id())));
}

#[tokio::test]
async fn what_a_killed_run_had_finished_is_not_done_again() {
    let bench = Bench::new();
    let (done, dead, put_back, was_sent) =
        (bench.task().await, bench.task().await, bench.failed().await, bench.task().await);
    let journal = bench.journal(&[done, dead, put_back, was_sent].map(about)).await;
    journal.begin(&[1, 2, 3].map(Into::into), bench.clock.now()).await.unwrap();
    bench.clock.sleep(SECOND).await;
    bench.deliver(done).await;
    bench.fail(dead).await;
    bench.engine.replay(&[put_back], &format!("tests [{}/3.1]", journal.id())).await.unwrap();
    let to = taskwatch_replay::journal::Dispatch { entry: 4.into(), destination: "queue".to_owned(), body: None };
    journal.prepare(&[to], bench.clock.now()).await.unwrap();
    journal.close().await;
    let journal = bench.open().await;
    let ran = bench.run(&journal, How { stop: Stop::never(), ..How::default() }).await;
    assert_eq!(ran.names(), [(1, "completed"), (2, "failed"), (3, "completed"), (4, "left")]);
    assert_eq!(bench.script.ran(), [put_back.get()]);
    assert_eq!(bench.replays(put_back).await.len(), 1);
    assert_eq!(states(&journal).await, [COMPLETED, FAILED, COMPLETED, (State::Sending, None)]);
}
