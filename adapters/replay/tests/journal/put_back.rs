//! Sending entries on, and what comes back.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::stop::Stop;
use taskwatch_replay::journal::{
    AbandonError, Capture, Content, Dispatch, ENTRY_ATTRIBUTE, EntryNumber, Journal, Outcome, SendError, Settlement,
    State,
};
use taskwatch_sqs_message::{Attribute, AttributeValue, CallError, Outgoing, SendingQueue};

use crate::fake::{ARN, At, Fake, NOW, Time, all, body, capture, journal, numbers, open, unavailable};

const SOURCE: &str = "arn:aws:sqs:eu-west-1:000000000000:tasks";
const WITHIN: Duration = Duration::from_secs(5);

fn to(destination: &str, entry: EntryNumber) -> Dispatch {
    Dispatch { entry, destination: destination.to_owned(), body: None }
}

async fn captured(folder: &std::path::Path, count: usize) -> (Journal, Fake, Time) {
    let (journal, fake, time) = (journal(folder).await, Fake::with(count), Time::new());
    capture(&journal, &At(&fake, &time), &Capture::default()).await.unwrap();
    (journal, fake, time)
}

fn states(entries: &[taskwatch_replay::journal::Entry]) -> Vec<State> {
    entries.iter().map(|entry| entry.state).collect()
}

#[tokio::test]
async fn sent_entries_carry_their_name_and_are_done_with() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = captured(folder.path(), 3).await;
    let entries = numbers(&all(&journal).await);
    let edited = Dispatch { body: Some("edited".to_owned()), ..to(ARN, entries[0]) };
    let parcels = journal.prepare(&[edited, to(ARN, entries[1])], NOW).await.unwrap();
    let bodies = [0, 1].map(|n: usize| parcels[n].message.original.body.as_str());
    assert_eq!(bodies, ["edited", "body 1"]);
    let name = AttributeValue::Text(format!("{}/1", journal.id()));
    let expected = Attribute { data_type: "String".to_owned(), value: name };
    assert_eq!(parcels[0].message.original.attributes[ENTRY_ATTRIBUTE], expected);
    assert_eq!(parcels[0].begun_before, None);
    assert_ne!(parcels[0].message.deduplication_id, parcels[1].message.deduplication_id);
    // Nobody knows how it went: again, the same.
    let again = journal.prepare(&[to(ARN, entries[0])], NOW).await.unwrap().remove(0);
    assert_eq!(again.message, parcels[0].message);
    assert_eq!(again.begun_before, Some(NOW));
    let error = journal.prepare(&[to(SOURCE, entries[0])], NOW).await.unwrap_err();
    assert!(matches!(&error, SendError::Elsewhere { destination, .. } if destination == ARN), "{error}");
    journal.sent(&entries[..1], "well", NOW).await.unwrap();
    journal.unsent(&entries[1..2], "refused", NOW).await.unwrap();
    let now = all(&journal).await;
    assert_eq!(states(&now), [State::Sent, State::Kept, State::Kept]);
    assert_eq!((now[0].edited.as_ref().unwrap().0.as_str(), now[1].destination.as_deref()), ("edited", None));
    assert!(journal.prepare(&[to(ARN, entries[0])], NOW).await.is_err());
    drop((fake, time));
}

#[tokio::test]
async fn what_is_answered_decides_what_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = captured(folder.path(), 2).await;
    let entries = numbers(&all(&journal).await);
    let queue = At(&fake, &time);
    let refused = CallError::Refused { queue: ARN.to_owned(), why: "too old".to_owned() };
    *fake.trouble.lock().unwrap() = Some((refused.clone(), false));
    let outcomes = journal.put_back(&[to(ARN, entries[0])], &queue, &time, "so", WITHIN).await.unwrap();
    assert_eq!((outcomes, states(&all(&journal).await)[0]), (vec![Err(refused.clone())], State::Kept));
    *fake.trouble.lock().unwrap() = Some((unavailable(), true));
    journal.put_back(&[to(ARN, entries[0])], &queue, &time, "so", WITHIN).await.unwrap();
    assert_eq!(states(&all(&journal).await)[0], State::Sending);
    // Refused now, but it may be there since before.
    *fake.trouble.lock().unwrap() = Some((refused, false));
    journal.put_back(&[to(ARN, entries[0])], &queue, &time, "so", WITHIN).await.unwrap();
    assert_eq!(states(&all(&journal).await)[0], State::Sending);
    journal.put_back(&[to(ARN, entries[0])], &queue, &time, "so", WITHIN).await.unwrap();
    assert_eq!(states(&all(&journal).await), [State::Sent, State::Kept]);
}

#[tokio::test]
async fn what_was_not_sent_is_free_again_each_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = captured(folder.path(), 3).await;
    let entries = numbers(&all(&journal).await);
    let not_sent = CallError::NotSent { queue: SOURCE.to_owned(), why: "too much at once".to_owned() };
    *fake.trouble.lock().unwrap() = Some((not_sent.clone(), false));
    let dispatches: Vec<_> = [to(SOURCE, entries[0]), to(ARN, entries[1]), to(SOURCE, entries[2])].into();
    let outcomes = journal.put_back(&dispatches, &At(&fake, &time), &time, "so", WITHIN).await.unwrap();
    assert_eq!(outcomes, [Err(not_sent), Ok(()), Ok(())]);
    let entries = all(&journal).await;
    assert_eq!(states(&entries), [State::Kept, State::Sent, State::Sent]);
    assert!(entries[0].why.as_deref().unwrap().contains("too much at once"), "{:?}", entries[0].why);
    assert_eq!((entries[0].destination.as_deref(), entries[1].destination.as_deref()), (None, Some(ARN)));
    assert_eq!(fake.len(), 1, "what went elsewhere is elsewhere");
}

/// Takes all but the last of what it is told to send at once.
#[derive(Default)]
struct Told(Mutex<Vec<(String, Vec<String>)>>);

#[async_trait]
impl SendingQueue for Told {
    async fn send(&self, queue: &str, messages: &[Outgoing], _: Duration) -> Vec<Result<(), CallError>> {
        let bodies = messages.iter().map(|one| one.original.body.clone()).collect();
        self.0.lock().unwrap().push((queue.to_owned(), bodies));
        vec![Ok(()); messages.len() - 1]
    }
}

#[tokio::test]
async fn each_queue_is_told_all_at_once_and_in_order_and_its_silence_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _, time) = captured(folder.path(), 5).await;
    let entries = numbers(&all(&journal).await);
    let dispatches: Vec<_> = [SOURCE, ARN, SOURCE, ARN, SOURCE].into_iter().zip(entries).collect();
    let dispatches: Vec<_> = dispatches.into_iter().map(|(queue, entry)| to(queue, entry)).collect();
    let told = Told::default();
    let outcomes = journal.put_back(&dispatches, &told, &time, "so", WITHIN).await.unwrap();
    let all_of = |queue: &str, numbers: &[u8]| {
        let bodies: Vec<_> = numbers.iter().map(|number| format!("body {number}")).collect();
        (queue.to_owned(), bodies)
    };
    assert_eq!(*told.0.lock().unwrap(), [all_of(SOURCE, &[0, 2, 4]), all_of(ARN, &[1, 3])]);
    let is_ok: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(is_ok, [true, true, true, false, false]);
    let expected = [State::Sent, State::Sent, State::Sent, State::Sending, State::Sending];
    assert_eq!(states(&all(&journal).await), expected);
}

#[tokio::test]
async fn abandoned_entries_are_back_on_the_queue_and_come_once_though_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (journal_1, fake, time) = captured(folder.path(), 250).await;
    let entries = numbers(&all(&journal_1).await);
    let settled = Settlement { entry: entries[0], outcome: Outcome::Dropped, why: "done before".to_owned() };
    journal_1.settle(&[settled], NOW).await.unwrap();
    journal_1.begin(&entries[1..3], NOW).await.unwrap();
    *fake.trouble.lock().unwrap() = Some((unavailable(), true));
    let queue = At(&fake, &time);
    let error = journal_1.abandon(&queue, &time, &Stop::never(), WITHIN, &|_| {}).await.unwrap_err();
    assert!(matches!(error, AbandonError::Call { entry, .. } if entry == entries[1]), "{error}");
    let done = journal_1.abandon(&queue, &time, &Stop::never(), WITHIN, &|_| {}).await.unwrap();
    assert!(done.is_complete && done.undeleted == 0);
    assert_eq!(journal_1.counts().await.unwrap().unfinished(), 0);
    assert_eq!(fake.len(), 250, "249, and one of them twice");
    // Into another journal.
    let other = tempfile::tempdir().unwrap();
    let other = journal(other.path()).await;
    let done = capture(&other, &queue, &Capture::default()).await.unwrap();
    assert_eq!((done.new, done.again, fake.len()), (249, 1, 0));
}

#[tokio::test]
async fn what_a_killed_run_put_back_is_the_entry_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = captured(folder.path(), 1).await;
    let entries = numbers(&all(&journal).await);
    let queue = At(&fake, &time);
    for _ in 0..2 {
        // Sent, and killed before that could be noted.
        *fake.trouble.lock().unwrap() = Some((unavailable(), true));
        journal.put_back(&[to(ARN, entries[0])], &queue, &time, "so", WITHIN).await.unwrap();
    }
    let done = capture(&journal, &queue, &Capture::default()).await.unwrap();
    assert_eq!((done.new, done.again, fake.len()), (0, 2, 0));
    let now = all(&journal).await;
    assert_eq!(
        (states(&now), body(&now[0]), now[0].destination.as_deref()),
        (vec![State::Kept], "body 0".into(), None)
    );
}

#[tokio::test]
async fn what_failed_again_where_it_was_sent_is_a_new_entry_and_its_copy_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = captured(folder.path(), 1).await;
    let first = numbers(&all(&journal).await);
    let queue = At(&fake, &time);
    // Nobody knows whether it was sent; it was, twice, and both have failed there.
    let parcel = journal.prepare(&[to(SOURCE, first[0])], NOW).await.unwrap().remove(0);
    for at in 0..2 {
        // As dead letters are sent.
        let value = AttributeValue::Text(format!("failed for good at {at}"));
        let mut attributes = parcel.message.original.attributes.clone();
        attributes.insert("TaskwatchReason".to_owned(), Attribute { data_type: "String".to_owned(), value });
        fake.put(&parcel.message.original.body, attributes);
    }
    let done = capture(&journal, &queue, &Capture::default()).await.unwrap();
    assert_eq!((done.new, done.again), (1, 1));
    assert_eq!(states(&all(&journal).await), [State::Sent, State::Kept]);
    // And once more, under its own name.
    let second = journal.prepare(&[to(SOURCE, 2.into())], NOW).await.unwrap().remove(0);
    assert_ne!(second.message.deduplication_id, parcel.message.deduplication_id);
    let names: Vec<_> = second.message.original.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, [ENTRY_ATTRIBUTE], "the old name is replaced, and elsewhere it is no dead letter");
    journal.unsent(&[2.into()], "not sent", NOW).await.unwrap();
    let back = journal.prepare(&[to(ARN, 2.into())], NOW).await.unwrap().remove(0);
    assert!(back.message.original.attributes.contains_key("TaskwatchReason"), "back there, it is one");
}

#[tokio::test]
async fn ten_attributes_leave_no_room_and_pieces_of_files_cannot_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::default(), Time::new());
    let text = |n: i32| Attribute { data_type: "Number".to_owned(), value: AttributeValue::Text(n.to_string()) };
    let mut attributes: std::collections::BTreeMap<_, _> = (0..9).map(|n| (format!("a{n}"), text(n))).collect();
    let bytes = Attribute { data_type: "Binary.x".to_owned(), value: AttributeValue::Base64("MTEw".to_owned()) };
    attributes.insert("bytes".to_owned(), bytes);
    fake.put("full", attributes.clone());
    capture(&journal, &At(&fake, &time), &Capture::default()).await.unwrap();
    let parcel = journal.prepare(&[to(ARN, 1.into())], NOW).await.unwrap().remove(0);
    assert_eq!(parcel.message.original.attributes, attributes);

    let file = folder.path().join("f");
    std::fs::write(&file, b"{\"broken\": \n").unwrap();
    let source = taskwatch_replay::journal::Source::File(file);
    let journal = open(&folder.path().join("of-file"), &source, NOW).await.unwrap();
    journal.capture_file(&time, &Stop::never(), &|_| {}).await.unwrap();
    assert!(matches!(all(&journal).await[0].content, Content::Broken { .. }));
    let error = journal.prepare(&[to(ARN, 1.into())], NOW).await.unwrap_err();
    assert!(matches!(error, SendError::NoMessage { .. }), "{error}");
    let error = journal.abandon(&At(&fake, &time), &time, &Stop::never(), WITHIN, &|_| {}).await.unwrap_err();
    assert!(matches!(error, AbandonError::NoQueue { .. }), "{error}");
}
