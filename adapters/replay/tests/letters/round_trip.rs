//! What is archived and read back is the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_replay::journal::{By, Content, Entry, Journal, Source};
use taskwatch_replay::{Archive, CaptureReader};
use taskwatch_sqs_message::{Attribute, AttributeValue, Received, SqsRecord};

use crate::bench::{START, entry};

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        START
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// Captures a file into a new journal.
fn capture(file: &Path) -> Vec<Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let by = By { who: "test".to_owned(), reason: None };
    let source = Source::File(file.to_owned());
    runtime.block_on(async {
        let journal = Journal::open(&file.with_extension("journal"), &source, &by, START).await.unwrap();
        let done = journal.capture_file(&Still, &Stop::never(), &|_| {}).await.unwrap();
        assert!(done.is_complete);
        let entries = journal.entries(None, usize::MAX).await.unwrap();
        assert_eq!(entries.len() as u64, done.new);
        entries
    })
}

fn archive(file: &Path, entries: &[Entry]) {
    let mut archive = Archive::create(file, false).unwrap();
    for entry in entries {
        archive.add(entry, Some("arn:aws:sqs:eu-west-1:123456789012:letters")).unwrap();
    }
    let archived = archive.finish().unwrap();
    assert_eq!(archived.messages + archived.broken, entries.len() as u64);
}

/// A message by its id, and all that it says.
type Said = (Option<String>, Option<String>, BTreeMap<String, String>, BTreeMap<String, Attribute>);

fn messages(entries: &[Entry]) -> Vec<Said> {
    let said = |entry: &Entry| match &entry.content {
        Content::Message(Received { record, attributes }) => {
            Some((entry.message_id.clone(), record.body.clone(), record.attributes.clone(), attributes.clone()))
        }
        Content::Broken { .. } => None,
    };
    entries.iter().filter_map(said).collect()
}

/// What is broken, one after the other, without white space: a line break may have become another, and a piece may be
/// read together with the next.
fn broken(entries: &[Entry]) -> Vec<u8> {
    let raw = |entry: &Entry| match &entry.content {
        Content::Broken { raw, .. } => raw.clone(),
        Content::Message(_) => Vec::new(),
    };
    entries.iter().flat_map(raw).filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            any::<char>(),
            proptest::sample::select(vec![
                '"', '\\', '\n', '\r', '{', '}', '[', ']', '\u{0}', '\u{2028}', '\u{feff}', '\u{ffff}'
            ]),
        ],
        1..40,
    )
    .prop_map(String::from_iter)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let texts = (proptest::sample::select(vec!["String", "Number", "String.json", "Number.float", "Odd"]), text())
        .prop_map(|(data_type, text)| (data_type, AttributeValue::Text(text)));
    let bytes = (proptest::sample::select(vec!["Binary", "Binary.jpeg"]), vec(any::<u8>(), 1..40)).prop_map(
        |(data_type, bytes)| {
            use base64::Engine as _;
            (data_type, AttributeValue::Base64(base64::engine::general_purpose::STANDARD.encode(bytes)))
        },
    );
    prop_oneof![texts, bytes].prop_map(|(data_type, value)| Attribute { data_type: data_type.to_owned(), value })
}

/// Messages as a queue brings them.
fn received() -> impl Strategy<Value = Vec<Entry>> {
    let one = (text(), btree_map("[A-Za-z0-9_.-]{1,12}", text(), 0..4), btree_map(text(), attribute(), 0..4));
    vec(one, 0..20).prop_map(|all| {
        let entry = |(at, (body, system, attributes)): (usize, (String, _, _))| {
            let id = format!("message-{at}");
            let record = SqsRecord {
                message_id: Some(id.clone()),
                body: Some(body),
                attributes: system,
                ..SqsRecord::default()
            };
            entry(at as i64 + 1, Some(&id), Content::Message(Received { record, attributes }))
        };
        all.into_iter().enumerate().map(entry).collect()
    })
}

/// Lines of a file in which some are damaged.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let record = (0..1000_u32).prop_map(|id| {
        format!(r#"{{"messageId": "m-{id}", "body": "{{\"task_id\": {id}}}", "attributes": {{"ApproximateReceiveCount": "2"}}}}"#)
            .into_bytes()
    });
    let piece = proptest::sample::select(vec![
        &br#"{"a": "#[..],
        b"{\"a\": [1,",
        b"[",
        b"]",
        b"}",
        b"]}",
        b"{\"Records\": [",
        b"{\"messageId\": \"x\", \"body\": \"two",
        b"lines\"}",
        b"{\"x\":",
        b"\"in a string",
        b"\"a body\"",
        b"nonsense",
        b"{\"a\": 1} and more",
        b"\xff\xfe\x00",
        b"\x1f\x8b\x08",
        b"{\"task_id\": 7, \"title\": \"two",
        b"{\"task_id\": 7}",
        b"  ",
        b",",
        b"{\"a\": \xe9}",
    ])
    .prop_map(<[u8]>::to_vec);
    // UTF-16 and gzip are refused as files, so the first line is a good one.
    vec(prop_oneof![record, piece, vec(any::<u8>(), 0..12)], 0..25).prop_map(|lines| {
        let first = br#"{"task_id": 1}"#.to_vec();
        std::iter::once(first).chain(lines).collect::<Vec<_>>().join(&b'\n')
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_of_a_queue_come_back_as_they_were(entries in received()) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letters.jsonl");
        archive(&file, &entries);
        let bytes = std::fs::read(&file).unwrap();
        let items: Vec<_> = CaptureReader::new(&bytes[..]).map(|item| item.unwrap()).collect();
        prop_assert_eq!(items.len(), entries.len());
        prop_assert!(items.iter().zip(&entries).all(|(item, entry)| item.message_id == entry.message_id));
        prop_assert_eq!(messages(&capture(&file)), messages(&entries));
    }

    #[test]
    fn a_damaged_file_loses_nothing_more_by_being_archived(text in lines()) {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (folder.path().join("damaged.jsonl"), folder.path().join("letters.jsonl"));
        std::fs::write(&file, text).unwrap();
        let entries = capture(&file);
        archive(&copy, &entries);
        let again = capture(&copy);
        prop_assert_eq!(messages(&again), messages(&entries));
        prop_assert_eq!(broken(&again), broken(&entries));
        // And once more.
        let (second, third) = (folder.path().join("second.jsonl"), folder.path().join("third.jsonl"));
        archive(&second, &again);
        prop_assert_eq!(messages(&capture(&second)), messages(&entries));
        archive(&third, &again);
        prop_assert_eq!(std::fs::read(&second).unwrap(), std::fs::read(&third).unwrap());
    }
}
