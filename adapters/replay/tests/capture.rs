//! Captures as people have them: every form, every mixture, and every way for them to be broken.

use std::io::BufReader;

use serde_json::{Value, json};
use taskwatch_replay::{BadInput, CaptureReader, Format, Item, MAX_DOCUMENT_BYTES, ReadError};
use taskwatch_sqs_message::Unreadable;

/// A read buffer so small that nothing depends on where it ends.
fn items_of(input: &[u8], limit: usize) -> Vec<Item> {
    let reader = CaptureReader::with_limit(BufReader::with_capacity(7, input), limit);
    reader.map(|item| item.expect("memory does not fail")).collect()
}

fn items(input: impl AsRef<[u8]>) -> Vec<Item> {
    items_of(input.as_ref(), MAX_DOCUMENT_BYTES)
}

/// Place and task of each item; 0 for one that cannot be read.
fn tasks(input: impl AsRef<[u8]>) -> Vec<(String, i64)> {
    let task = |item: Item| (item.place.to_string(), item.result.map_or(0, |message| message.task.get()));
    items(input).into_iter().map(task).collect()
}

fn expect(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(place, task)| ((*place).to_owned(), *task)).collect()
}

fn announcement(id: i64) -> Value {
    json!({"task_id": id, "title": format!("Task {id}"), "description": "{[\"\\"})
}

fn envelope(id: i64) -> Value {
    json!({
        "Type": "Notification", "MessageId": format!("sns-{id}"), "Subject": "New Task Added",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:new-task-notification",
        "Message": announcement(id).to_string(), "Timestamp": "2026-11-20T10:11:12.345Z",
    })
}

fn record(id: i64) -> Value {
    json!({
        "messageId": format!("m-{id}"), "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": envelope(id).to_string(),
        "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1763633472345"},
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue",
    })
}

fn received(id: i64) -> Value {
    json!({
        "MessageId": format!("m-{id}"), "ReceiptHandle": "AQEB", "MD5OfBody": "7b270e59b47ff90a553787216d55d91d",
        "Body": announcement(id).to_string(), "Attributes": {"ApproximateReceiveCount": "4"},
    })
}

fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).expect("text")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

#[test]
fn a_lambda_event_gives_its_records_with_their_lines() {
    let event = json!({"Records": [record(1), record(2)]});
    let compact = items(event.to_string());
    assert_eq!(compact.len(), 2);
    let message = compact[1].result.as_ref().expect("readable");
    assert_eq!((message.task.get(), message.receive_count), (2, 2));
    assert_eq!(compact[1].place.to_string(), "line 1, record 2");
    assert_eq!((compact[1].format, compact[1].message_id.as_deref()), (Some(Format::LambdaEvent), Some("m-2")));
    assert_eq!(compact[1].raw, record(2).to_string().into_bytes());

    let text = pretty(&event);
    let line_of = |id: &str| 1 + text.lines().position(|line| line.contains(id)).expect("there") as u64;
    let spread = items(&text);
    assert_eq!(spread.len(), 2);
    // The keys are sorted, so the record's brace is a few lines above its id.
    let second = spread[1].place.line;
    assert!(line_of("\"m-1\"") < second && second < line_of("\"m-2\""), "{second}");
    assert_eq!(text.lines().nth(usize::try_from(second).expect("small") - 1), Some("    {"));
    assert_eq!(spread[1].result, compact[1].result);
}

#[test]
fn receive_message_output_comes_alone_in_a_row_and_slurped() {
    let output = |ids: &[i64]| json!({"Messages": ids.iter().map(|id| received(*id)).collect::<Vec<_>>()});
    let one = items(pretty(&output(&[1])));
    assert_eq!((one[0].format, one[0].message_id.as_deref()), (Some(Format::ReceiveOutput), Some("m-1")));
    assert_eq!(one[0].result.as_ref().map(|message| message.receive_count), Ok(4));

    let ids = |input: String| tasks(input).into_iter().map(|(_, task)| task).collect::<Vec<_>>();
    let (first, second) = (output(&[1, 2]), output(&[3]));
    assert_eq!(ids(format!("{}\n{}\n", pretty(&first), pretty(&second))), [1, 2, 3]);
    assert_eq!(ids(format!("{}{}", pretty(&first), pretty(&second))), [1, 2, 3], "cat of files without a last newline");
    assert_eq!(ids(pretty(&json!([first, second]))), [1, 2, 3]);
    assert_eq!(ids(pretty(&output(&[]))), [0; 0]);
}

#[test]
fn arrays_hold_records_envelopes_announcements_and_strings() {
    let array = json!([record(1), envelope(2), announcement(3), announcement(4).to_string(), 5]);
    let found = items(pretty(&array));
    let ids: Vec<_> = found.iter().map(|item| item.result.as_ref().map_or(0, |message| message.task.get())).collect();
    assert_eq!(ids, [1, 2, 3, 4, 0]);
    assert!(found.iter().all(|item| item.format == Some(Format::Array)));
    assert_eq!(found[1].message_id.as_deref(), Some("sns-2"));
    assert_eq!(found[4].place.record, Some(5));
}

#[test]
fn lines_of_all_kinds_may_be_mixed() {
    let lines = [record(1), received(2), envelope(3), announcement(4), json!(announcement(5).to_string())];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let found = items(&text);
    let formats: Vec<_> = found.iter().filter_map(|item| item.format).collect();
    assert_eq!(formats, [Format::Record, Format::Record, Format::Envelope, Format::Body, Format::Body]);
    assert_eq!(tasks(&text), expect(&[("line 1", 1), ("line 2", 2), ("line 3", 3), ("line 4", 4), ("line 5", 5)]));
}

#[test]
fn single_objects_may_be_spread_over_lines() {
    for value in [record(1), received(1), envelope(1), announcement(1)] {
        assert_eq!(tasks(pretty(&value)), expect(&[("line 1", 1)]));
    }
    let two = format!("\n\n{}\n{}", pretty(&announcement(1)), pretty(&announcement(2)));
    assert_eq!(tasks(two), expect(&[("line 3", 1), ("line 8", 2)]));
}

#[test]
fn byte_order_mark_crlf_blank_lines_and_a_missing_last_newline_are_fine() {
    let text = format!("\u{feff}{}\r\n\r\n   \r\n{}", announcement(1), announcement(2));
    assert_eq!(tasks(text), expect(&[("line 1", 1), ("line 4", 2)]));
    let spread = pretty(&json!({"Records": [record(1)]})).replace('\n', "\r\n");
    assert_eq!(tasks(spread), expect(&[("line 3, record 1", 1)]));
    assert_eq!(tasks(""), []);
    assert_eq!(tasks("\n\r\n"), []);
}

#[test]
fn documents_that_share_a_line_are_told_apart() {
    let several = json!([announcement(2), announcement(3)]);
    let text = format!("{}\t{several} {}\n{}", announcement(1), announcement(4), announcement(5));
    let place = |record: i64| (format!("line 1, record {record}"), record);
    let mut expected: Vec<_> = (1..=4).map(place).collect();
    expected.push(("line 2".to_owned(), 5));
    assert_eq!(tasks(text), expected);

    let unbroken: String = (1..=5000).map(|id| announcement(id).to_string()).collect();
    assert_eq!(tasks(unbroken), (1..=5000).map(place).collect::<Vec<_>>());
}

#[test]
fn text_after_a_document_spoils_that_document_only() {
    for tail in ["oops", ",", "7", "\"x\"", "]"] {
        let text = format!("{}{}{tail}\n{}", announcement(1), announcement(2), announcement(3));
        let found = items(&text);
        let ids: Vec<_> = found.iter().map(|item| item.result.as_ref().map_or(0, |m| m.task.get())).collect();
        assert_eq!(ids, [1, 0, 3], "{tail}");
        assert_eq!(found[1].result, Err(BadInput::Trailing { line: 1, start: tail.to_owned() }));
        assert_eq!(found[1].raw, format!("{}{tail}", announcement(2)).into_bytes());
        assert_eq!(found[1].place.to_string(), "line 1, record 2");
    }
    let half = format!("{}{}", announcement(1), pretty(&announcement(2)));
    assert_eq!(
        tasks(format!("{half}\n{}", announcement(3))),
        expect(&[("line 1", 1), ("line 1, record 2", 2), ("line 6", 3)])
    );
}

#[test]
fn a_body_that_only_looks_like_a_container_is_a_body() {
    let odd = json!({"task_id": 1, "Records": [], "Messages": [announcement(9)]});
    assert_eq!(tasks(odd.to_string()), expect(&[("line 1", 1)]));
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;
    let found = items(pointer);
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].result, Err(BadInput::Message(Unreadable::S3Pointer { .. }))), "{found:?}");
}

#[test]
fn a_bad_line_costs_only_itself() {
    let good = |id| announcement(id).to_string();
    let text = [
        good(1).into_bytes(),
        b"hello".to_vec(),
        b"{\"task_id\": 2, \"title\": \"cut in a str".to_vec(),
        good(3).into_bytes(),
        b"\xff\xfe\x00\x01".to_vec(),
        b"{'task_id': 4}".to_vec(),
        good(5).into_bytes(),
        format!("{},", good(6)).into_bytes(),
        b"null".to_vec(),
        b"{\"task_id\": 7.5}".to_vec(),
        good(8).into_bytes(),
        b"\x00\x01\x02".to_vec(),
        b"{\"task_id\": 9, \"title\": \"no end of file".to_vec(),
    ]
    .join(&b'\n');
    let found = items(&text);
    let outline: Vec<_> =
        found.iter().map(|item| (item.place.line, item.result.as_ref().map_or(0, |m| m.task.get()))).collect();
    let expected = [1, 0, 0, 3, 0, 0, 5, 0, 0, 0, 8, 0, 0];
    assert_eq!(outline, (1..).zip(expected).collect::<Vec<_>>());
    let why = |line: usize| found[line - 1].result.as_ref().expect_err("bad");
    assert!(matches!(why(2), BadInput::Message(Unreadable::NotJson { .. })));
    assert_eq!(*why(3), BadInput::CutOff { line: 3 });
    assert_eq!(*why(5), BadInput::NotUtf8 { line: 5, byte: 1 });
    assert!(matches!(why(6), BadInput::Broken { line: 6, column: 2, .. }), "{:?}", why(6));
    assert_eq!(*why(8), BadInput::Trailing { line: 8, start: ",".into() });
    assert!(matches!(why(9), BadInput::Message(Unreadable::NotAnObject { .. })));
    assert!(matches!(why(10), BadInput::Message(Unreadable::TaskIdFraction(_))));
    assert_eq!(*why(13), BadInput::CutOff { line: 13 });
    assert_eq!(found[4].raw, b"\xff\xfe\x00\x01");
    assert_eq!(found[7].raw, format!("{},", good(6)).into_bytes());
}

#[test]
fn a_line_cut_between_members_costs_only_itself() {
    for start in ["{\"task_id\": 1,", "{\"a\": ", "[", "{\"a\": [{\"b\": 1},"] {
        let text = format!("{start}\n{}\n{}\n", announcement(2), announcement(3));
        assert_eq!(tasks(&text), expect(&[("line 1", 0), ("line 2", 2), ("line 3", 3)]), "{start}");
        assert_eq!(items(&text)[0].raw, start.as_bytes());
    }
}

#[test]
fn a_truncated_document_is_one_bad_item_and_keeps_all_its_lines() {
    let whole = pretty(&json!({"Records": [record(1), record(2)]}));
    let cut = whole[..whole.len() - 5].trim_end();
    let found = items(cut);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].result, Err(BadInput::CutOff { line: cut.lines().count() as u64 }));
    assert_eq!(text(&found[0].raw), cut);
    assert_eq!(found[0].place.to_string(), "line 1");

    let lines: Vec<&str> = whole.lines().collect();
    let broken = format!("{}\n  oops\n{}\n{}\n", lines[..4].join("\n"), lines[4..].join("\n"), announcement(3));
    let found = items(&broken);
    assert!(matches!(found[0].result, Err(BadInput::Broken { line: 5, column: 3, .. })), "{:?}", found[0].result);
    assert_eq!(text(&found[0].raw), broken.rsplit_once("\n{").expect("the last line").0);
    assert_eq!(found[1].result.as_ref().map(|message| message.task.get()), Ok(3));
    assert_eq!(found[1].place.line, lines.len() as u64 + 2);
    assert_eq!(found.len(), 2);
}

#[test]
fn elements_cut_out_of_an_array_stay_one_piece() {
    let text = format!("[\n{},\n{},\n", announcement(1), announcement(2));
    assert_eq!(tasks(text), expect(&[("line 1", 0)]));
}

#[test]
fn lines_and_documents_over_the_limit_are_refused_and_passed_over() {
    let long = json!({"task_id": 1, "title": "x".repeat(200)});
    let text = format!("{long}\n{}\n{}\n{}\n", announcement(2), pretty(&json!([long])), announcement(3));
    let found = items_of(text.as_bytes(), 100);
    let places: Vec<_> =
        found.iter().map(|item| (item.place.line, item.result.as_ref().ok().map(|m| m.task.get()))).collect();
    assert_eq!(places, [(1, None), (2, Some(2)), (3, None), (9, Some(3))]);
    assert_eq!(found[0].result, Err(BadInput::TooLong { limit: 100 }));
    assert_eq!(found[2].result, Err(BadInput::TooLong { limit: 100 }));
    assert_eq!(found[0].raw.len(), 100);

    let many = pretty(&Value::from((0..50).map(announcement).collect::<Vec<_>>()));
    let found = items_of(format!("{many}\n{}", announcement(2)).as_bytes(), 300);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].result, Err(BadInput::TooLong { limit: 300 }));
    assert!(found[0].raw.len() <= 600, "not kept in memory: {}", found[0].raw.len());
    assert_eq!(found[1].result.as_ref().map(|message| message.task.get()), Ok(2));
}

#[test]
fn deep_nesting_is_refused_in_one_line_and_in_many() {
    let found = items(format!("{}\n{}", "[".repeat(100_000), announcement(1)));
    assert_eq!((found.len(), &found[0].result), (2, &Err(BadInput::TooDeep)));
    let closed = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(items(closed)[0].result, Err(BadInput::Message(Unreadable::TooDeep(_)))));
    // Each of these lines begins a document: without the limit each would be read as often as there are lines before it.
    let found = items("[\n".repeat(1000));
    assert_eq!((found.len(), &found[0].result), (1000, &Err(BadInput::TooDeep)));
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = "\u{feff}{\"task_id\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fail = |input: &[u8]| CaptureReader::new(input).next().expect("an item").expect_err("a failure");
    assert!(matches!(fail(&utf16), ReadError::Utf16));
    assert!(matches!(fail(&[0x1f, 0x8b, 8, 0]), ReadError::Compressed));
    let mut reader = CaptureReader::new(&utf16[..]);
    assert!(reader.next().is_some_and(|item| item.is_err()) && reader.next().is_none(), "fails once");
}

#[test]
fn lines_are_handed_over_as_they_come() {
    /// Endless lines: a reader that wanted to see the end would never answer.
    struct Endless;
    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let line = b"{\"task_id\":1}\n";
            into[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }
    let taken = CaptureReader::new(BufReader::new(Endless))
        .take(1000)
        .filter(|item| item.as_ref().is_ok_and(|item| item.result.is_ok()));
    assert_eq!(taken.count(), 1000);
}
