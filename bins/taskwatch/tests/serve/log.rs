//! What is logged of a request, and what is not.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use serde_json::Value;

use crate::support::{Served, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn talk(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "tok-0123456789abcdef").unwrap();
    let format = format!("log.format={format}");
    let served = Served::in_folder(folder, &["--set", "intake.token_file=token", "--set", &format]);
    let headers = format!(
        "Content-Type: application/json\r\nAuthorization: Bearer tok-0123456789abcdef\r\n\
         Idempotency-Key: key-4711\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n"
    );
    assert_eq!(served.request("POST /tasks", &headers, r#"{"title": "title-4711"}"#).status, 200);
    assert_eq!(served.request("POST /tasks", &headers, r#"{"title": 4711}"#).status, 422);
    assert_eq!(served.request("GET /tasks?status=query-4711", &headers, "").status, 400);
    assert_eq!(served.request("GET /tasks", "Authorization: Bearer wrong-4711\r\n", "").status, 401);
    until(|| served.log().contains("401"));
    let log = served.log();
    assert!(!log.contains("4711") && !log.contains("0123456789abcdef"), "{log}");
    log
}

#[test]
fn method_path_status_and_trace_are_logged_and_nothing_else() {
    let log = talk("text");
    let line = log.lines().find(|line| line.contains("status=200")).unwrap();
    assert!(["method=POST", "path=\"/tasks\"", TRACE, "ms="].iter().all(|part| line.contains(part)), "{line}");
}

#[test]
fn programs_get_json() {
    let log = talk("json");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let added = lines.iter().find(|line| line["status"] == 200).unwrap();
    assert_eq!((&added["span"]["method"], &added["span"]["trace"]), (&"POST".into(), &TRACE.into()), "{added}");
}
