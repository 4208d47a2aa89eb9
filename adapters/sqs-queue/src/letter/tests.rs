//! What a dead letter takes along, and what it leaves behind.

use aws_sdk_sqs::types::MessageSystemAttributeNameForSends;

use super::*;

fn text(data_type: &str, value: &str) -> Attribute {
    Attribute { data_type: data_type.to_owned(), value: AttributeValue::Text(value.to_owned()) }
}

fn dead(body: &str, own: impl IntoIterator<Item = (String, Attribute)>) -> DeadLetter {
    let original = Original {
        message_id: "m-1".to_owned(),
        body: body.to_owned(),
        attributes: own.into_iter().collect(),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        group: Some("garden".to_owned()),
    };
    let at = Timestamp::from_micros(1_763_633_472_345_678);
    DeadLetter { original, reason: "failed for good: never".to_owned(), task: Some(41.try_into().unwrap()), at }
}

fn target(is_fifo: bool) -> Target {
    let end = if is_fifo { ".fifo" } else { "" };
    let arn = |name: &str| format!("arn:aws:sqs:eu-west-1:123456789012:{name}{end}");
    Target { arn: arn("dead"), url: "https://sqs/1/dead".to_owned(), source: arn("tasks") }
}

fn numbered(count: usize) -> impl Iterator<Item = (String, Attribute)> {
    (0..count).map(|n| (format!("own{n}"), text("String", "v")))
}

fn names(letter: &Letter<'_>) -> Vec<String> {
    let entry = letter.entry("0".to_owned()).unwrap();
    let mut names: Vec<_> = entry.message_attributes().unwrap().keys().cloned().collect();
    names.sort_unstable();
    names
}

#[test]
fn the_message_goes_whole_with_why_beside_it() {
    let blob = Attribute { data_type: "Binary.photo".to_owned(), value: AttributeValue::Base64("MTEwMA==".to_owned()) };
    let own = [("channel".to_owned(), text("String", "web")), ("photo".to_owned(), blob)];
    let dead = dead("{\"task_id\": 41}\n", own);
    let entry = Letter::new(&dead, &target(true)).entry("3".to_owned()).unwrap();
    assert_eq!((entry.id(), entry.message_body()), ("3", "{\"task_id\": 41}\n"));
    assert_eq!(entry.message_group_id(), Some("garden"));
    assert_eq!(entry.message_deduplication_id(), Some("taskwatch-m-1"));
    let header = entry.message_system_attributes().unwrap();
    let header = header[&MessageSystemAttributeNameForSends::AwsTraceHeader].string_value();
    assert_eq!(header, Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
    let attributes = entry.message_attributes().unwrap();
    let said = |name: &str| (attributes[name].data_type(), attributes[name].string_value().unwrap());
    assert_eq!(said("channel"), ("String", "web"));
    assert_eq!(attributes["photo"].data_type(), "Binary.photo");
    assert_eq!(attributes["photo"].binary_value().unwrap().as_ref(), b"1100");
    assert_eq!(said("TaskwatchReason"), ("String", "failed for good: never"));
    assert_eq!(said("TaskwatchTask"), ("Number", "41"));
    assert_eq!(said("TaskwatchSourceQueue"), ("String", "arn:aws:sqs:eu-west-1:123456789012:tasks.fifo"));
    assert_eq!(said("TaskwatchMessageId"), ("String", "m-1"));
    assert_eq!(said("TaskwatchAt"), ("String", "2025-11-20T10:11:12.345678Z"));
    assert_eq!(attributes.len(), 7);
}

#[test]
fn a_standard_queue_gets_no_deduplication_id_and_keeps_a_fair_group() {
    let mut dead = dead("x", []);
    let entry = Letter::new(&dead, &target(false)).entry("0".to_owned()).unwrap();
    assert_eq!((entry.message_group_id(), entry.message_deduplication_id()), (Some("garden"), None));
    dead.original.group = None;
    let entry = Letter::new(&dead, &target(false)).entry("0".to_owned()).unwrap();
    assert_eq!(entry.message_group_id(), None);
    // A FIFO queue takes nothing without a group.
    let entry = Letter::new(&dead, &target(true)).entry("0".to_owned()).unwrap();
    assert_eq!(entry.message_group_id(), Some("m-1"));
}

#[test]
fn ours_give_way_to_the_messages_own_attributes() {
    let with = |count| dead("x", numbered(count));
    assert_eq!(names(&Letter::new(&with(5), &target(false))).len(), 10);
    let nine = with(9);
    let nine = names(&Letter::new(&nine, &target(false)));
    assert_eq!((nine.len(), nine[0].as_str()), (10, "TaskwatchReason"), "the most important one is left");
    assert_eq!(nine[1..], (0..9).map(|n| format!("own{n}")).collect::<Vec<_>>());
    let ten = with(10);
    let ten = Letter::new(&ten, &target(false));
    assert_eq!((names(&ten).len(), ten.bare().is_none()), (10, true));
    assert!(names(&ten).iter().all(|name| name.starts_with("own")));
}

#[test]
fn ours_give_way_to_the_size_one_by_one() {
    let count = |free: usize| {
        let dead = dead(&"x".repeat(MAX_BYTES - free), []);
        let letter = Letter::new(&dead, &target(false));
        assert!(letter.bytes() <= MAX_BYTES);
        letter.ours.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(count(1_000), dead_letter::ALL);
    assert_eq!(count(60), [REASON]);
    assert_eq!(count(0), [""; 0]);
    let large = dead(&"x".repeat(MAX_BYTES + 1), []);
    assert_eq!(Letter::new(&large, &target(false)).bytes(), MAX_BYTES + 1, "and nothing of its own is cut");
}

#[test]
fn what_an_earlier_journey_left_is_replaced() {
    let old = dead_letter::ALL.map(|name| (name.to_owned(), text("String", "old")));
    let dead = dead("x", numbered(5).chain(old));
    let letter = Letter::new(&dead, &target(false));
    let entry = letter.entry("0".to_owned()).unwrap();
    let attributes = entry.message_attributes().unwrap();
    assert_eq!(attributes.len(), 10);
    assert!(dead_letter::ALL.iter().all(|name| attributes[*name].string_value() != Some("old")), "{attributes:?}");
}

#[test]
fn a_reason_has_only_what_sqs_takes() {
    assert_eq!(allowed("a\u{1b}[2J\tb\u{0}\u{ffff}é\u{10ffff}"), "a\u{fffd}[2J\tb\u{fffd}\u{fffd}é\u{10ffff}");
    assert_eq!(allowed(""), "none given");
    assert_eq!(allowed(&"é".repeat(MAX_REASON_CHARS)), "é".repeat(MAX_REASON_CHARS));
    let long = allowed(&"é".repeat(MAX_REASON_CHARS + 1));
    assert!(long.chars().count() == MAX_REASON_CHARS && long.ends_with('…'));
    for name in dead_letter::ALL {
        assert!(name.starts_with("Taskwatch") && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}

#[test]
fn odd_moments_are_left_out_rather_than_failing_the_letter() {
    assert_eq!(moment(Timestamp::from_micros(-1)), None);
    assert_eq!(moment(Timestamp::from_micros(i64::MAX)), None);
    assert_eq!(moment(Timestamp::EPOCH).as_deref(), Some("1970-01-01T00:00:00.000000Z"));
}
