//! The file that an archive is, and what happens to its name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use taskwatch_replay::journal::{Content, Edited, Entry};
use taskwatch_replay::{Archive, ArchiveError, Archived, CaptureReader};
use taskwatch_sqs_message::{Attribute, AttributeValue, Received, SqsRecord};

use crate::bench::entry;

fn typed(data_type: &str, value: AttributeValue) -> Attribute {
    Attribute { data_type: data_type.to_owned(), value }
}

fn message(body: &str) -> Entry {
    let system = [("ApproximateReceiveCount", "3"), ("MessageGroupId", "blue")];
    let record = SqsRecord {
        body: Some(body.to_owned()),
        attributes: system.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        ..SqsRecord::default()
    };
    let attributes = BTreeMap::from([
        ("shop".to_owned(), typed("Number.int", AttributeValue::Text("7".to_owned()))),
        ("photo".to_owned(), typed("Binary", AttributeValue::Base64("AAEC".to_owned()))),
    ]);
    entry(1, Some("message-1"), Content::Message(Received { record, attributes }))
}

fn broken(raw: &[u8]) -> Entry {
    entry(2, None, Content::Broken { raw: raw.to_vec(), why: "cut off".to_owned() })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_message_becomes_a_record_as_lambda_has_it_and_a_piece_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    let mut archive = Archive::create(&path, false).unwrap();
    let arn = "arn:aws:sqs:eu-west-1:123456789012:letters";
    let mut edited = message("{\"task_id\": 1}\u{0}\u{2028}é");
    edited.edited = Some(Edited("another body".to_owned()));
    archive.add(&edited, Some(arn)).unwrap();
    archive.add(&broken(b"{\"a\": \xff [1,"), None).unwrap();
    archive.add(&broken(b"{\"a\":\n \"two\nlines\""), None).unwrap();
    let archived = archive.finish().unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(archived, Archived { messages: 1, broken: 2, bytes: bytes.len() as u64 });
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let record: Value = serde_json::from_slice(lines[0]).unwrap();
    assert_eq!(
        record,
        json!({
            "messageId": "message-1", "body": "{\"task_id\": 1}\u{0}\u{2028}é",
            "attributes": { "ApproximateReceiveCount": "3", "MessageGroupId": "blue" },
            "messageAttributes": {
                "shop": { "dataType": "Number.int", "stringValue": "7" },
                "photo": { "dataType": "Binary", "binaryValue": "AAEC" },
            },
            "eventSource": "aws:sqs", "eventSourceARN": arn,
        })
    );
    assert_eq!(lines[1..], [&b"{\"a\": \xff [1,"[..], b"{\"a\":\r \"two\rlines\"", b""]);
    assert_eq!(names(folder.path()), ["letters.jsonl"]);
}

/// At the beginning of a file, these bytes are those of gzip and of UTF-16.
#[test]
fn a_piece_at_the_beginning_does_not_spoil_the_whole_file() {
    for raw in [&b"\x1f\x8b rest"[..], b"\xff\xfe rest", b"\xfe\xff rest"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letters.jsonl");
        let mut archive = Archive::create(&path, false).unwrap();
        archive.add(&broken(raw), None).unwrap();
        archive.add(&message(r#"{"task_id": 1}"#), None).unwrap();
        let archived = archive.finish().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(archived.bytes, bytes.len() as u64);
        let items: Vec<_> = CaptureReader::new(&bytes[..]).map(|item| item.unwrap()).collect();
        assert_eq!((items.len(), items[0].raw.as_slice()), (2, raw));
        assert!(items[1].result.is_ok());
    }
}

#[test]
fn nothing_is_there_before_the_end_and_nothing_is_left_of_an_archive_that_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    let mut archive = Archive::create(&path, false).unwrap();
    archive.add(&message("x"), None).unwrap();
    assert!(!path.exists());
    drop(archive);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn an_existing_file_is_replaced_only_if_asked_and_only_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    fs::write(&path, "old").unwrap();
    let refused = Archive::create(&path, false).unwrap_err();
    assert!(matches!(&refused, ArchiveError::Exists { .. }), "{refused}");
    assert!(refused.to_string().contains("the file exists: name another one"), "{refused}");
    let mut archive = Archive::create(&path, true).unwrap();
    archive.add(&message("new"), None).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    archive.finish().unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("\"new\""));
    // One that came meanwhile is not lost either.
    let other = folder.path().join("other.jsonl");
    let mut archive = Archive::create(&other, false).unwrap();
    archive.add(&message("new"), None).unwrap();
    fs::write(&other, "meanwhile").unwrap();
    assert!(matches!(archive.finish(), Err(ArchiveError::Exists { .. })));
    assert_eq!(fs::read_to_string(&other).unwrap(), "meanwhile");
    assert_eq!(names(folder.path()), ["letters.jsonl", "other.jsonl"]);
}

#[test]
fn where_nothing_can_be_written_the_path_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("letters.jsonl");
    for path in [missing.as_path(), folder.path()] {
        let refused = Archive::create(path, true).unwrap_err();
        assert!(matches!(refused, ArchiveError::Create { .. }), "{refused}");
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    Archive::create(&path, false).unwrap().finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
