//! Capturing a queue.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_replay::journal::{Capture, CaptureError, End, Journal, State, Step};
use taskwatch_sqs_message::CallError;

use crate::fake::{At, Fake, Time, all, body, capture, journal, of_queue, open};

/// One receiver: several would let the time run while one of them writes to the disk.
fn how() -> Capture {
    Capture { receivers: 1, ..Capture::default() }
}

async fn assert_all_kept(journal: &Journal, count: usize) {
    let entries = all(journal).await;
    assert!(entries.iter().all(|entry| entry.state == State::Kept), "{entries:?}");
    let bodies: BTreeSet<_> = entries.iter().map(body).collect();
    assert_eq!((entries.len(), bodies.len()), (count, count));
}

#[tokio::test]
async fn all_that_is_on_a_queue_goes_into_the_journal_and_off_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(57), Time::new());
    let done = capture(&journal, &At(&fake, &time), &Capture::default()).await.unwrap();
    assert_eq!((done.new, done.again, done.undeleted, done.end), (57, 0, 0, End::Drained));
    assert_eq!(fake.len(), 0);
    assert_all_kept(&journal, 57).await;
    let first = &journal.entries(None, 1).await.unwrap()[0];
    assert_eq!((first.message_id.as_deref(), first.times), (Some("id-0"), 1));
    // Again: there is nothing more.
    let done = capture(&journal, &At(&fake, &time), &Capture::default()).await.unwrap();
    assert_eq!((done.new, done.again), (0, 0));
}

#[tokio::test]
async fn a_limit_is_kept_to_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(57), Time::new());
    for (limit, sum) in [(0, 0), (23, 23), (23, 46), (23, 57)] {
        let how = Capture { limit: Some(limit), ..how() };
        let done = capture(&journal, &At(&fake, &time), &how).await.unwrap();
        assert_eq!(done.end, if sum == 57 { End::Drained } else { End::Limit });
        assert_eq!((all(&journal).await.len(), fake.len()), (sum, 57 - sum));
    }
}

#[tokio::test]
async fn what_could_not_be_deleted_comes_again_and_is_not_free_before() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    fake.undeletable.store(7, Ordering::SeqCst);
    let how = Capture { limit: Some(30), ..how() };
    let done = capture(&journal, &At(&fake, &time), &how).await.unwrap();
    assert_eq!((done.new, done.undeleted, fake.len()), (30, 7, 7));
    assert_eq!(journal.counts().await.unwrap().captured, 7);
    assert_eq!(journal.unfinished(None, 100).await.unwrap().len(), 23);
    // Too late for the receipts: deleting by them would be believed, and do nothing.
    time.pass(Duration::from_secs(600));
    let done = capture(&journal, &At(&fake, &time), &Capture { limit: None, ..how }).await.unwrap();
    assert_eq!((done.new, done.again, done.undeleted, fake.len()), (0, 7, 0, 0));
    assert_all_kept(&journal, 30).await;
    assert_eq!(journal.counts().await.unwrap().again, 7);
}

#[tokio::test]
async fn receipts_that_are_good_are_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    fake.undeletable.store(7, Ordering::SeqCst);
    let how = Capture { limit: Some(30), ..how() };
    capture(&journal, &At(&fake, &time), &how).await.unwrap();
    let done = capture(&journal, &At(&fake, &time), &Capture { limit: Some(0), ..how }).await.unwrap();
    assert_eq!((done.undeleted, fake.len()), (0, 0));
    assert_all_kept(&journal, 30).await;
}

#[tokio::test]
async fn one_run_deletes_what_it_could_not_delete_at_first() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    fake.undeletable.store(7, Ordering::SeqCst);
    let begun = time.now();
    let done = capture(&journal, &At(&fake, &time), &how()).await.unwrap();
    assert_eq!((done.new, done.again, done.undeleted, done.end, fake.len()), (30, 7, 0, End::Drained, 0));
    assert!(time.now().since(begun) >= how().hidden_for);
}

#[tokio::test]
async fn what_was_deleted_without_being_marked_is_free_after_a_drain() {
    let folder = tempfile::tempdir().unwrap();
    let (journal_1, fake, time) = (journal(folder.path()).await, Fake::with(10), Time::new());
    // Dropped in the callback after the deletion, as if killed.
    let queue = At(&fake, &time);
    let stop = Stop::never();
    let (dropped, told) = tokio::sync::oneshot::channel();
    let dropped = std::sync::Mutex::new(Some(dropped));
    let tell = |progress: taskwatch_replay::journal::Progress| {
        if progress.step == Step::Deleted {
            dropped.lock().unwrap().take().map(|dropped| dropped.send(()));
        }
    };
    let how = how();
    tokio::select! {
        biased;
        _ = told => {}
        done = journal_1.capture(&how, &queue, &time, &stop, &tell) => panic!("{done:?}"),
    }
    journal_1.close().await;
    assert_eq!(fake.len(), 0);
    let journal = open(&folder.path().join("j"), &of_queue(), time.now()).await.unwrap();
    assert_eq!(journal.counts().await.unwrap().captured, 10);
    assert!(Journal::status(journal.path()).await.unwrap().is_capturing);
    time.pass(Duration::from_secs(55));
    let begun = time.now();
    let done = capture(&journal, &queue, &how).await.unwrap();
    assert_eq!((done.new, done.undeleted, done.end), (0, 0, End::Drained));
    assert!(time.now().since(begun) >= how.hidden_for, "it waited for what the killed run may have hidden");
    assert_all_kept(&journal, 10).await;
    assert!(!Journal::status(journal.path()).await.unwrap().is_capturing);
}

#[tokio::test]
async fn a_poll_whose_answer_was_lost_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    fake.lost.store(2, Ordering::SeqCst);
    let done = capture(&journal, &At(&fake, &time), &how()).await.unwrap();
    assert_eq!((done.new, done.again, done.end, fake.len()), (30, 0, End::Drained, 0));
    // One that goes on to fail ends it.
    (0..100).for_each(|n| fake.put(&format!("more {n}"), std::collections::BTreeMap::new()));
    fake.lost.store(100, Ordering::SeqCst);
    let error = capture(&journal, &At(&fake, &time), &how()).await.unwrap_err();
    assert!(matches!(&error, CaptureError::Receive(CallError::Unavailable { .. })), "{error}");
    fake.lost.store(0, Ordering::SeqCst);
    let done = capture(&journal, &At(&fake, &time), &how()).await.unwrap();
    assert_eq!((done.end, fake.len()), (End::Drained, 0));
    assert_all_kept(&journal, 130).await;
}

#[tokio::test]
async fn a_poll_that_was_refused_has_hidden_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(3), Time::new());
    fake.refused.store(100, Ordering::SeqCst);
    let error = capture(&journal, &At(&fake, &time), &how()).await.unwrap_err();
    assert!(matches!(&error, CaptureError::Receive(CallError::Refused { .. })), "{error}");
    assert!(!Journal::status(journal.path()).await.unwrap().is_capturing);
    fake.refused.store(0, Ordering::SeqCst);
    let begun = time.now();
    let done = capture(&journal, &At(&fake, &time), &how()).await.unwrap();
    assert_eq!((done.new, done.end), (3, End::Drained));
    assert!(time.now().since(begun) < how().hidden_for, "there was nothing to wait for");
}

#[tokio::test]
async fn a_limit_after_a_failure_does_not_make_the_next_run_forget_what_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    fake.lost.store(1, Ordering::SeqCst);
    let done = capture(&journal, &At(&fake, &time), &Capture { limit: Some(15), ..how() }).await.unwrap();
    assert_eq!((done.new, done.end), (15, End::Limit));
    assert!(Journal::status(journal.path()).await.unwrap().is_capturing);
    let done = capture(&journal, &At(&fake, &time), &how()).await.unwrap();
    assert_eq!((done.new, done.end, fake.len()), (15, End::Drained, 0));
}

#[tokio::test]
async fn two_messages_that_say_the_same_are_two() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::default(), Time::new());
    (0..3).for_each(|_| fake.put("the same", std::collections::BTreeMap::new()));
    assert_eq!(capture(&journal, &At(&fake, &time), &how()).await.unwrap().new, 3);
}

#[tokio::test]
async fn stop_ends_it_between_two_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(100), Time::new());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = std::sync::Mutex::new(Some(stop));
    let stopping = Stop::when(async move { drop(stopped.await) });
    let tell = |progress: taskwatch_replay::journal::Progress| {
        if progress.step == Step::Committed && progress.new >= 20 {
            stop.lock().unwrap().take();
        }
    };
    let done = journal.capture(&how(), &At(&fake, &time), &time, &stopping, &tell).await.unwrap();
    assert_eq!((done.end, done.undeleted), (End::Stopped, 0));
    let kept = all(&journal).await.len();
    assert!((20..100).contains(&kept) && kept + fake.len() == 100, "{kept}");
}
