use serde_json::json;
use taskwatch_sqs_message::read_body;

use super::*;

fn apply(edit: &str, body: &str) -> Result<Value, EditError> {
    let edited = Edit::parse(edit).unwrap_or_else(|error| panic!("{edit}: {error}")).apply(body)?;
    Ok(serde_json::from_str(&edited).expect("JSON"))
}

#[test]
fn a_json_object_is_merged() {
    let body = r#"{"task_id": 7, "title": "Sweep", "detail": {"room": 1, "floor": 2}}"#;
    for (patch, edited) in [
        ("{}", json!({ "task_id": 7, "title": "Sweep", "detail": { "room": 1, "floor": 2 } })),
        (r#"{"title": "Mop"}"#, json!({ "task_id": 7, "title": "Mop", "detail": { "room": 1, "floor": 2 } })),
        (r#" {"title": null, "detail": {"room": null}} "#, json!({ "task_id": 7, "detail": { "floor": 2 } })),
        (r#"{"detail": [1]}"#, json!({ "task_id": 7, "title": "Sweep", "detail": [1] })),
        (
            r#"{"new": {"a": null, "b": 1}, "detail": 3}"#,
            json!({ "task_id": 7, "title": "Sweep", "detail": 3, "new": { "b": 1 } }),
        ),
    ] {
        assert_eq!(apply(patch, body), Ok(edited), "{patch}");
    }
}

/// The examples of RFC 7396, appendix A, as far as the target is an object.
#[test]
fn the_merge_is_that_of_the_rfc() {
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(apply(patch, target), Ok(serde_json::from_str(result).expect("JSON")), "{target} {patch}");
    }
}

#[test]
fn anything_else_is_an_expression_for_the_new_announcement() {
    let body = r#"{"task_id": "7", "title": "Sweep", "price": 0.1}"#;
    for (expression, edited) in [
        ("merge(@, {title: 'Mop'})", json!({ "task_id": "7", "title": "Mop", "price": 0.1 })),
        (
            "{task_id: to_number(task_id), title: join(' ', [title, 'twice'])}",
            json!({ "task_id": 7, "title": "Sweep twice" }),
        ),
        ("@", json!({ "task_id": "7", "title": "Sweep", "price": 0.1 })),
    ] {
        assert_eq!(apply(expression, body), Ok(edited), "{expression}");
    }
}

#[test]
fn the_rest_of_an_envelope_stays_as_it_is() {
    let envelope = json!({
        "Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:topic", "Subject": "New Task Added",
        "Message": r#"{"task_id": 7, "title": "Sweep"}"#,
        "MessageAttributes": { "channel": { "Type": "String", "Value": "web" } }, "Signature": "abc=",
    });
    for edit in [r#"{"title": "Mop"}"#, "merge(@, {title: 'Mop'})"] {
        let mut edited = apply(edit, &envelope.to_string()).expect("edited");
        let message = edited["Message"].take();
        let body =
            read_body(&json!({ "Type": "Notification", "Message": message.clone() }).to_string()).expect("readable");
        assert_eq!((body.task.get(), body.title.as_deref()), (7, Some("Mop")));
        let mut rest = envelope.clone();
        rest["Message"].take();
        assert_eq!(edited, rest);
    }
}

#[test]
fn what_an_edit_does_not_name_keeps_its_value() {
    for number in [
        "9223372036854775807",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1e-7",
        "123456789.123456789",
        "5e-324",
        "7.0",
    ] {
        let body = format!(r#"{{"n":{number},"task_id":1}}"#);
        let numbers = |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["n"].clone();
        for edit in [r#"{"title": "x"}"#, "merge(@, {title: 'x'})"] {
            let edited = Edit::parse(edit).expect("good").apply(&body).expect("edited");
            assert_eq!(numbers(&edited), numbers(&body), "{edit} {edited}");
        }
    }
    let text = "\u{0}\u{1f}\"\\ é 漢 \u{1f600} \u{2028} \u{fffe}";
    let edited = apply(r#"{"a": 1}"#, &json!({ "text": text }).to_string());
    assert_eq!(edited, Ok(json!({ "text": text, "a": 1 })));
}

#[test]
fn a_wrong_edit_says_where_and_what_may_help() {
    for (edit, message) in [
        (
            r#"{"title": "Mop",}"#,
            "read the edit: as a JSON merge patch, trailing comma at line 1 column 17; or else read the JMESPath expression",
        ),
        ("{title: 'Mop'", "at character 14 (the end): more is expected here"),
        (r#"{title: "Mop"}"#, "text is written in single quotes: 'Mop'"),
        ("[1]", "a JSON merge patch is an object, such as {\"priority\": 1}, and this is an array"),
        (r#""title""#, "and this is a string"),
        ("merge(@, {a: 1})", "numbers are written in backquotes"),
        ("mrge(@, {a: `1`})", "there is no function mrge"),
        ("", "it is empty"),
    ] {
        let said = Edit::parse(edit).expect_err("refused").to_string();
        assert!(said.contains(message), "{edit}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn what_cannot_be_edited_is_refused_without_its_words() {
    let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    let large = json!({ "a": "x".repeat(MAX_BODY_BYTES) }).to_string();
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "secret"}]"#;
    for (edit, body, message) in [
        (r#"{"a": 1}"#, "secret", "it is not JSON (expected value at line 1 column 1)"),
        ("@", "secret", "it is not JSON"),
        (r#"{"a": 1}"#, pointer, "it is an array, and a JSON merge patch changes objects"),
        ("title", r#"{"title": "secret"}"#, "the expression gives a string"),
        ("[title]", r#"{"title": "secret"}"#, "the expression gives an array"),
        ("missing", r#"{"title": "secret"}"#, "the expression gives null"),
        ("&title", r#"{"title": "secret"}"#, "the expression gives no value"),
        (
            "{a: length(missing)}",
            r#"{"title": "secret"}"#,
            "the expression cannot be applied to it: argument 0 expects type",
        ),
        (r#"{"a": 1}"#, &deep, "more than 32 deep"),
        (r#"{"a": 1}"#, &large, "more than 1048576 bytes"),
        (r#"{"a": 1}"#, r#"{"Type": "Notification", "TopicArn": "t"}"#, "the `Message` of the SNS envelope is missing"),
        (r#"{"a": 1}"#, r#"{"Type": "Notification", "Message": "secret"}"#, "it is not JSON"),
    ] {
        let said = Edit::parse(edit).expect("good").apply(body).expect_err("refused").to_string();
        assert!(said.starts_with("edit the message: ") && said.contains(message), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_result_beyond_all_bounds_is_refused() {
    let body = r#"{"a": "x"}"#;
    let deep = (0..40).fold("a".to_owned(), |inner, _| format!("[{inner}]"));
    let deep = Edit::parse(&format!("{{a: {deep}}}")).expect("good");
    assert_eq!(deep.apply(body), Err(EditError::TooDeep));
    // 2^30 times the same: shared in memory, and written out only as far as it may go.
    let large = Edit::parse(&format!("{}{{a: @}}", "[@, @] | ".repeat(30))).expect("good");
    assert_eq!(large.apply(body), Err(EditError::TooLarge));
}
