//! What is no batch, and settings that cannot work.

use std::process::Command;

use serde_json::json;

use crate::place::{Place, shared};

#[test]
fn an_event_that_is_none_of_sqs_is_refused_with_the_reason() {
    let place = Place::new(shared());
    place.deploy(&[]);
    let answer = place.invoke(&json!({ "key1": "value1" }));
    assert_eq!(answer["payload"]["errorType"], "Taskwatch.UnusableEvent", "{answer}");
    let message = answer["payload"]["errorMessage"].as_str().unwrap();
    assert!(message.contains("it has: key1") && message.contains("send a message to its queue"), "{message}");
    assert!(!answer["error"].is_null());

    let answer = place.invoke(&json!({ "Records": [] }));
    assert_eq!(answer, json!({ "error": null, "payload": { "batchItemFailures": [] } }));
    assert!(place.log().contains("it has: key1"), "{}", place.log());
}

/// Starts the program as Lambda would, with these settings, which it must refuse; answers with its last words.
fn refused(settings: &[(&str, &str)]) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .envs(settings.iter().copied())
        .output()
        .expect("it runs");
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let words = String::from_utf8_lossy(&ran.stderr);
    let line: serde_json::Value = serde_json::from_str(words.trim()).unwrap_or_else(|error| panic!("{error}: {words}"));
    line["message"].as_str().expect("text").to_owned()
}

#[test]
fn settings_that_cannot_work_end_the_init_phase_by_name() {
    let url = ("TASKWATCH_DATABASE_URL", "mysql://app@127.0.0.1:9/tasks");
    let kind = ("TASKWATCH_HANDLER_KIND", "simulate");
    assert!(refused(&[url]).contains("TASKWATCH_HANDLER_KIND"));
    assert!(refused(&[kind]).contains("use database.url sqlite://taskwatch.db: the Lambda function works on MySQL"));
    let text = refused(&[url, kind, ("TASKWATCH_LAMBDA_REPORT", "some")]);
    assert!(text.contains("lambda.report is \"some\""), "{text}");
    let text = refused(&[url, kind, ("TASKWATCH_LAMDA_REPORT", "partial")]);
    assert!(text.contains("LAMDA_REPORT"), "{text}");
}

#[test]
fn outside_of_lambda_it_says_what_it_is() {
    let ran = Command::new(env!("CARGO_BIN_EXE_bootstrap")).env_clear().output().unwrap();
    let words = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(1) && words.contains("AWS Lambda starts it"), "{words}");
}
