//! At work, drained, refused.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Added, Completed, Released, Started};

use crate::place::{PATIENCE, Place, shell};
use crate::processes::is_alive;

#[tokio::test]
async fn it_works_what_is_announced_and_ends_when_it_is_told_to() {
    let place = Place::new().await;
    place.add(&["a"; 25]).await;
    let worker = place.worker(&[]);
    place.until(Status::Completed, 25).await;
    let (code, said) = worker.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("at work") && said.contains("stopping") && said.contains("done"), "{said}");
    assert_eq!(place.waiting(), 0, "every message is deleted");
    place.audit().await;
}

#[tokio::test]
async fn what_does_not_end_in_time_is_given_back_and_another_worker_has_it_at_once() {
    let place = Place::new().await;
    let task = place.add(&["slow"]).await[0];
    let slow = shell("sleep 600");
    let worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &slow), ("TASKWATCH_WORKER_DRAIN", "200ms")]);
    place.until(Status::InProgress, 1).await;
    let (code, said) = worker.stop();
    assert_eq!(code, Some(0), "{said}");
    let record = place.record(task).await;
    let events: Vec<_> = record.entries.iter().map(|entry| entry.event).collect();
    assert_eq!((events, record.row.unwrap().attempt), (vec![Added, Started, Released], 0));
    let _other = place.worker(&[]);
    place.until(Status::Completed, 1).await;
    assert_eq!(place.record(task).await.entries.last().map(|entry| entry.event), Some(Completed));
    place.audit().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_all_that_it_has_started() {
    let place = Place::new().await;
    let task = place.add(&["slow"]).await[0];
    let file = place.folder.path().join("pid");
    let slow = shell(&format!("echo $$ > {}; sleep 600", file.display()));
    let mut worker = place.worker(&[("TASKWATCH_HANDLER_COMMAND", &slow), ("TASKWATCH_WORKER_DRAIN", "10m")]);
    let begun = Instant::now();
    let handler = loop {
        if let Ok(id) = fs::read_to_string(&file).unwrap_or_default().trim().parse::<u32>() {
            break id;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    worker.signal(Signal::TERM);
    worker.says("stopping").await;
    assert!(is_alive(handler));
    let (code, said) = worker.stop();
    assert_eq!(code, Some(130), "{said}");
    let begun = Instant::now();
    while is_alive(handler) {
        assert!(begun.elapsed() < PATIENCE, "the handler lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let events: Vec<_> = place.record(task).await.entries.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Added, Started], "whoever finds its lease run out goes on from here");
    place.audit().await;
}

#[tokio::test]
async fn what_keeps_it_from_working_is_named() {
    let place = Place::new().await;
    for (settings, code, word) in [
        ([("TASKWATCH_QUEUE_NAME", "")], 2, "queue.name"),
        ([("TASKWATCH_HANDLER_KIND", "")], 2, "handler.kind"),
        ([("TASKWATCH_QUEUE_WAIT", "21s")], 2, "queue.wait"),
        ([("TASKWATCH_ANNOUNCE_TARGET", "nowhere")], 2, "announce.target"),
        ([("TASKWATCH_DATABASE_URL", "sqlite:///no/such/folder/tasks.db")], 4, "/no/such/folder"),
    ] {
        let (found, said) = place.worker(&settings).end();
        assert_eq!(found, Some(code), "{settings:?}: {said}");
        assert!(said.contains(word), "{settings:?}: {said}");
    }
}
