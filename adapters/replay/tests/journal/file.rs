//! Capturing a file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use taskwatch_core::stop::Stop;
use taskwatch_replay::journal::{Content, FileCaptureError, FileCaptured, Journal, Source, State};
use taskwatch_sqs_message::AttributeValue;

use crate::fake::{self, NOW, Time, all, body};

async fn open(folder: &Path) -> Journal {
    let source = Source::File(folder.join("letters.jsonl"));
    fake::open(&folder.join("j"), &source, NOW).await.unwrap()
}

async fn capture(journal: &Journal) -> Result<FileCaptured, FileCaptureError> {
    journal.capture_file(&Time::new(), &Stop::never(), &|_| {}).await
}

fn lines(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, r#"{{"messageId": "m-{n}", "body": "{{\"task_id\": {}}}"}}"#, n + 1);
        text
    })
}

#[tokio::test]
async fn every_form_becomes_a_message_and_what_is_none_is_kept_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let record = r#"{"messageId": "a", "receiptHandle": "r", "body": "{\"task_id\": 1}",
        "attributes": {"ApproximateReceiveCount": "3", "MessageGroupId": "g"},
        "messageAttributes": {"n": {"dataType": "Number", "stringValue": "7"},
                              "b": {"dataType": "Binary", "binaryValue": "MTEw"}}}"#;
    let envelope = r#"{"Type": "Notification", "MessageId": "sns", "Message": "{\"task_id\": 2}"}"#;
    let text = format!("{{\"Records\": [{record}]}}\n{envelope}\n{{\"task_id\": 3}}\n\"{{\\\"task_id\\\": 4}}\"\n");
    let bad = b"{\"broken\": \n\xff\xfe\n";
    std::fs::write(folder.path().join("letters.jsonl"), [text.as_bytes(), bad].concat()).unwrap();
    let journal = open(folder.path()).await;
    let done = capture(&journal).await.unwrap();
    let entries = all(&journal).await;
    assert_eq!((done.new, done.is_complete), (entries.len() as u64, true));
    assert!(entries.iter().all(|entry| entry.state == State::Kept));
    let bodies: Vec<_> = entries[..4].iter().map(body).collect();
    assert_eq!(bodies, [r#"{"task_id": 1}"#, envelope, r#"{"task_id": 3}"#, r#"{"task_id": 4}"#]);
    let Content::Message(first) = &entries[0].content else { panic!("{entries:?}") };
    assert_eq!((first.record.receive_count(), first.record.message_attributes["n"].as_str()), (3, "7"));
    assert_eq!(first.attributes["b"].value, AttributeValue::Base64("MTEw".to_owned()));
    assert_eq!(first.original().unwrap().group.as_deref(), Some("g"));
    assert_eq!(entries[1].message_id.as_deref(), Some("sns"));
    assert_eq!(entries[2].place.unwrap().line, 6);
    let raw: Vec<u8> = entries[4..]
        .iter()
        .flat_map(|entry| match &entry.content {
            Content::Broken { raw, why } => {
                assert!(!why.is_empty());
                [raw.as_slice(), b"\n"].concat()
            }
            message => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(raw, bad);
}

#[tokio::test]
async fn stopped_at_any_chunk_it_goes_on_from_there_and_reads_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    // No ids: only the place in the file tells them apart.
    let text: String = (0..20_000).map(|_| "{\"task_id\": 5}\n").collect();
    std::fs::write(&path, &text).unwrap();
    let (mut runs, mut sum) = (0, 0);
    loop {
        let journal = open(folder.path()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stop = Mutex::new(Some(stop));
        let first_offset = Mutex::new(None);
        let tell = |progress: taskwatch_replay::journal::FileProgress| {
            stop.lock().unwrap().take();
            first_offset.lock().unwrap().get_or_insert(progress.offset);
        };
        let stopping = Stop::when(async move { drop(stopped.await) });
        let done = journal.capture_file(&Time::new(), &stopping, &tell).await.unwrap();
        sum += done.new;
        assert_eq!(done.again, 0);
        journal.close().await;
        if done.new == 0 {
            break;
        }
        assert_eq!(first_offset.lock().unwrap().unwrap(), sum * 15);
        runs += 1;
    }
    assert!(runs > 2 && sum == 20_000, "{runs} runs, {sum} entries");
    let places: Vec<_> = all(&open(folder.path()).await).await.iter().map(|entry| entry.place.unwrap().line).collect();
    assert_eq!(places, (1..=20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_added_to_a_file_is_read_and_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    std::fs::write(&path, lines(0, 300)).unwrap();
    let journal = open(folder.path()).await;
    assert_eq!(capture(&journal).await.unwrap().new, 300);
    assert_eq!(capture(&journal).await.unwrap(), FileCaptured { new: 0, again: 0, is_complete: true });
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    // Some of them have been there before.
    file.write_all(lines(290, 310).as_bytes()).unwrap();
    let done = capture(&journal).await.unwrap();
    assert_eq!((done.new, done.again), (10, 10));
    std::fs::write(&path, lines(0, 299)).unwrap();
    assert!(matches!(capture(&journal).await, Err(FileCaptureError::Changed { .. })), "shorter");
    std::fs::write(&path, lines(500, 900)).unwrap();
    assert!(matches!(capture(&journal).await, Err(FileCaptureError::Changed { .. })), "another");
    std::fs::remove_file(&path).unwrap();
    let text = capture(&journal).await.unwrap_err().to_string();
    assert!(text.contains("letters.jsonl"), "{text}");
}

#[tokio::test]
async fn a_document_of_many_messages_is_committed_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<_> = lines(0, 10_000).lines().map(str::to_owned).collect();
    let text = format!("{}[{}]\n{}", lines(20_000, 20_001), records.join(",\n"), lines(30_000, 30_001));
    std::fs::write(folder.path().join("letters.jsonl"), text).unwrap();
    let journal = open(folder.path()).await;
    let seen = Mutex::new(Vec::new());
    let tell = |progress: taskwatch_replay::journal::FileProgress| seen.lock().unwrap().push(progress.new);
    journal.capture_file(&Time::new(), &Stop::never(), &tell).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [10_001, 10_002]);
    assert_eq!(all(&journal).await.len(), 10_002);
}
