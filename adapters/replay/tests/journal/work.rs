//! Working from the journal.

use taskwatch_core::stop::Stop;
use taskwatch_replay::journal::{Before, Capture, EntryNumber, Outcome, Settlement, Source, State, WorkError};

use crate::fake::{At, Fake, NOW, Time, all, capture, journal, numbers, of_queue, open};

fn settle(entry: EntryNumber, outcome: Outcome) -> Settlement {
    Settlement { entry, outcome, why: "so it is".to_owned() }
}

#[tokio::test]
async fn entries_go_from_free_to_settled_and_no_other_way() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(9), Time::new());
    capture(&journal, &At(&fake, &time), &Capture::default()).await.unwrap();
    let page = journal.unfinished(None, 4).await.unwrap();
    let next = journal.unfinished(Some(page[3].number), 100).await.unwrap();
    assert_eq!((page.len(), next.len()), (4, 5));
    let numbers = numbers(&page);
    journal.begin(&numbers, NOW).await.unwrap();
    let error = journal.begin(&[numbers[1], next[0].number], NOW).await.unwrap_err();
    assert!(matches!(error, WorkError::Begun { entry } if entry == numbers[1]), "{error}");
    assert_eq!(all(&journal).await[4].state, State::Kept, "all or none");
    journal.release(&numbers[3..], "the handler was full", NOW).await.unwrap();
    let settled = [settle(numbers[0], Outcome::Completed), settle(numbers[1], Outcome::Failed)];
    journal.settle(&settled, NOW).await.unwrap();
    // Repeated, and contradicted.
    journal.settle(&settled, NOW).await.unwrap();
    let error = journal.settle(&[settle(numbers[0], Outcome::Failed)], NOW).await.unwrap_err();
    assert!(matches!(error, WorkError::NotNow { found: State::Settled, .. }), "{error}");
    // Free ones can be settled without being begun.
    journal.settle(&[settle(numbers[3], Outcome::Dropped)], NOW).await.unwrap();
    assert!(matches!(journal.begin(&numbers[..1], NOW).await, Err(WorkError::NotNow { .. })));
    assert!(matches!(journal.begin(&[99.into()], NOW).await, Err(WorkError::NoSuchEntry { .. })));
    let counts = journal.counts().await.unwrap();
    assert_eq!((counts.kept, counts.in_work, counts.entries(), counts.unfinished()), (5, 1, 9, 6));
    assert_eq!(counts.settled.values().sum::<u64>(), 3);
    let first = &all(&journal).await[0];
    assert_eq!((first.outcome, first.why.as_deref()), (Some(Outcome::Completed), Some("so it is")));
    assert_eq!((first.begins, first.changed), (1, Some((NOW, 1))));
}

#[tokio::test]
async fn what_another_run_had_begun_is_seen_and_can_be_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (first, fake, time) = (journal(folder.path()).await, Fake::with(2), Time::new());
    capture(&first, &At(&fake, &time), &Capture::default()).await.unwrap();
    let both = numbers(&first.unfinished(None, 2).await.unwrap());
    first.begin(&both, NOW).await.unwrap();
    first.close().await;
    let second = open(&folder.path().join("j"), &of_queue(), NOW).await.unwrap();
    let left = second.unfinished(None, 10).await.unwrap();
    assert!(left.iter().all(|entry| entry.state == State::InWork && entry.begins == 1), "{left:?}");
    // It turned out that this one had been done.
    second.settle(&[settle(both[0], Outcome::Completed)], NOW).await.unwrap();
    second.begin(&both[1..], NOW).await.unwrap();
    let left = second.unfinished(None, 10).await.unwrap();
    assert_eq!((left.len(), left[0].begins), (1, 2));
}

#[tokio::test]
async fn the_same_command_goes_on_and_another_begins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dead.jsonl");
    std::fs::write(&file, "{\"task_id\": 1}\n{\"task_id\": 2}\n{\"task_id\": 3}\n").unwrap();
    let (time, path, source) = (Time::new(), folder.path().join("journal"), Source::File(file));
    let journal = open(&path, &source, NOW).await.unwrap();
    journal.capture_file(&time, &Stop::never(), &|_| {}).await.unwrap();
    let fresh = Before::default();
    assert_eq!(journal.command("a", false, NOW).await.unwrap(), fresh);
    journal.settle(&[settle(1.into(), Outcome::Failed)], NOW).await.unwrap();
    journal.settle(&[settle(2.into(), Outcome::Dropped)], NOW).await.unwrap();
    journal.close().await;

    let journal = open(&path, &source, NOW).await.unwrap();
    // What failed in the interrupted run has failed by this command.
    let resumed = Before { is_resumed: true, gone: 1, reopened: 0 };
    assert_eq!(journal.command("a", true, NOW).await.unwrap(), resumed);
    journal.settle(&[settle(3.into(), Outcome::Completed)], NOW).await.unwrap();
    journal.close().await;

    let journal = open(&path, &source, NOW).await.unwrap();
    assert_eq!(journal.command("a", true, NOW).await.unwrap(), Before { gone: 2, ..resumed });
    journal.command_ended().await.unwrap();
    journal.close().await;

    let journal = open(&path, &source, NOW).await.unwrap();
    assert_eq!(journal.command("a", true, NOW).await.unwrap(), Before { reopened: 1, ..fresh });
    journal.close().await;
    let journal = open(&path, &source, NOW).await.unwrap();
    assert_eq!(journal.command("b", false, NOW).await.unwrap(), fresh, "another");
    journal.close().await;
    let journal = open(&path, &source, NOW).await.unwrap();
    assert_eq!(journal.command("a", false, NOW).await.unwrap(), fresh, "something else came between");
}
