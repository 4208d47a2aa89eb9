//! The same API, whatever is in front of it.

use serde_json::json;
use ureq::http::{Method, Request};

use super::desk::Desk;
use crate::support::{TEST, broken_laws};

#[test]
fn behind_a_function_url() {
    speaks_the_api("function_url");
}

#[test]
fn behind_an_http_api() {
    speaks_the_api("http_api");
}

#[test]
fn behind_a_stage_of_an_http_api() {
    speaks_the_api("http_api_stage");
}

#[test]
fn behind_a_rest_api() {
    speaks_the_api("rest_api");
}

#[test]
fn behind_a_load_balancer() {
    speaks_the_api("load_balancer");
}

fn speaks_the_api(front: &str) {
    let page = r#"["https://app.example.com"]"#;
    let desk = Desk::deployed(&[("TASKWATCH_INTAKE_ORIGINS", page)]);
    let api = desk.behind(front);
    let tasks = format!("{api}/tasks");

    // As the Python system's page does.
    for (id, title) in [(1, "Handle"), (2, "Vaske"), (3, "Male")] {
        let added = desk.post(&tasks, &json!({ "title": title, "description": "Melk og brød" }));
        assert_eq!(added.json(200), json!({ "message": "Task added successfully", "task_id": id }));
    }
    let listed = |id, title| json!({ "id": id, "title": title, "description": "Melk og brød", "status": "Pending" });
    assert_eq!(desk.get(&tasks).json(200), json!([listed(1, "Handle"), listed(2, "Vaske"), listed(3, "Male")]));

    assert_eq!(desk.post(&format!("{tasks}/2/cancel"), &json!({ "reason": "for kaldt" })).json(200)["task_id"], 2);
    let shown = desk.get(&format!("{tasks}/2")).json(200);
    assert_eq!((&shown["status"], &shown["ledger"][1]["source"]), (&json!("Cancelled"), &json!("lambda")));
    let filtered = desk.get(&format!("{tasks}?status=Cancelled&status=In%20Progress&limit=1"));
    assert_eq!(filtered.json(200)[0]["id"], 2);
    let first = desk.get(&format!("{tasks}?limit=2&status=Pending&status=Cancelled"));
    assert_eq!(first.json(200)[0]["id"], 2);
    assert!(first.header("link").is_some_and(|link| link.contains("before=2")), "{:?}", first.header("link"));

    assert!(desk.get(&format!("{tasks}/9")).problem(404).contains("there is no task 9"));
    assert!(desk.post(&tasks, &json!({ "title": "" })).problem(422).contains("title"));
    desk.get(&format!("{api}/nowhere")).problem(404);
    assert_eq!(desk.get(&format!("{api}/openapi.json")).json(200)["paths"]["/tasks"]["post"]["operationId"], "addTask");

    let preflight = |origin: &str| {
        let asked = Request::builder().method(Method::OPTIONS).uri(&tasks).header("origin", origin);
        let asked = asked.header("access-control-request-method", "POST").body(String::new()).expect(TEST);
        desk.send(asked).header("access-control-allow-origin").map(str::to_owned)
    };
    // API Gateway and MiniStack's own preflights do not get here.
    if front == "load_balancer" {
        assert_eq!(preflight("https://app.example.com").as_deref(), Some("https://app.example.com"));
        assert_eq!(preflight("https://evil.example.com"), None);
    }
    assert_eq!(broken_laws(&desk.database.records()), [""; 0]);
}
