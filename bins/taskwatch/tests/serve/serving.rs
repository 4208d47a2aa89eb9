//! Requests, and what keeps it from serving.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::json;

use crate::support::{Answer, Served, program};

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn tasks_come_in_and_the_command_line_sees_them() {
    let served = Served::new(&[]);
    let added = served.request("POST /tasks", JSON, r#"{"title": "Handle", "description": "Melk"}"#);
    assert_eq!((added.status, added.json()), (200, json!({ "message": "Task added successfully", "task_id": 1 })));
    let listed = served.request("GET /tasks", "", "");
    let task = json!([{ "id": 1, "title": "Handle", "description": "Melk", "status": "Pending" }]);
    assert_eq!((listed.status, listed.json()), (200, task));
    assert_eq!(served.request("POST /tasks/1/cancel", JSON, r#"{"reason": "not needed"}"#).status, 200);
    let shown = served.run(&["show", "1", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["row"]["reason"], "by HTTP: not needed");
    assert_eq!(shown["entries"].as_array().unwrap().len(), 2);
    assert!(served.run(&["verify"]).status.success());
}

#[test]
fn a_huge_body_and_what_is_no_http_do_not_end_it() {
    let served = Served::new(&[]);
    let mut stream = served.connect();
    write!(stream, "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n{JSON}\r\n").unwrap();
    assert_eq!(Answer::read(stream).status, 413);
    let mut stream = served.connect();
    stream.write_all(b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n").unwrap();
    assert_eq!(Answer::read(stream).status, 400);
    // Gone in mid-request.
    write!(served.connect(), "POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n{JSON}\r\n{{").unwrap();
    assert_eq!(served.request("GET /healthz", "", "").json(), json!({ "status": "ok" }));
    assert_eq!(served.request("GET /tasks", "", "").json(), json!([]));
}

#[test]
fn settings_reach_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef";
    std::fs::write(folder.path().join("token"), format!("{secret}\n")).unwrap();
    let origins = r#"intake.origins=["https://app.example.com"]"#;
    let arguments = ["--set", "intake.token_file=token", "--set", origins, "--set", "intake.page_limit=1"];
    let served = Served::in_folder(folder, &arguments);
    assert_eq!(served.request("GET /tasks", "", "").status, 401);
    let token = format!("Authorization: Bearer {secret}\r\n");
    let page = format!("{token}Origin: https://app.example.com\r\n");
    for _ in 0..2 {
        assert_eq!(served.request("POST /tasks", &format!("{page}{JSON}"), r#"{"title": "t"}"#).status, 200);
    }
    let listed = served.request("GET /tasks", &page, "");
    assert!(listed.head.contains("access-control-allow-origin: https://app.example.com"), "{listed:?}");
    assert!(listed.head.contains("link: <?before=2>; rel=\"next\""), "{listed:?}");
}

#[test]
fn what_keeps_it_from_serving_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "secret").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let nowhere = if cfg!(feature = "aws") { "expected the ARN of a topic" } else { "without the feature aws" };
    for (arguments, code, said) in [
        (["--set", "announce.target=nowhere"], 2, nowhere),
        (["--set", "intake.token_file=nowhere"], 2, "read the token in nowhere"),
        (["--set", "intake.token_file=short"], 2, "at least 16"),
        (["--set", "intake.origins=[\"app\"]"], 2, "intake.origins"),
        (["--listen", "localhost"], 2, "intake.listen"),
        (["--listen", &taken], 5, "failed to listen"),
    ] {
        let ran = program(&folder, &["serve"]).args(arguments).output().unwrap();
        let said_so = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}: {said_so}");
        assert!(said_so.contains(said), "{arguments:?}: {said_so}");
        assert!(!said_so.contains("secret"), "{said_so}");
    }
    assert!(!folder.path().join("tasks.db").exists(), "nothing was begun");
}
