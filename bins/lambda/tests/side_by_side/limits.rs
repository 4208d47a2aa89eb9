//! Single meetings of the two, one step after the other.

use serde_json::{Value, json};

use crate::scene::Scene;
use crate::support::broken_laws;

#[test]
fn both_answer_test_events_and_requests_alike() {
    let scene = Scene::old();
    let ours = scene.migrate();
    assert_eq!(ours.api.list(), json!([]));
    let body = json!({ "title": "from the console", "description": null }).to_string();
    assert_eq!(answer(&scene.old.test_event(&event("POST", Some(&body)))), added(1));
    assert_eq!(answer(&ours.test_event(&event("POST", Some(&body)))), added(2));
    assert_eq!(ours.api.add("Käse 😀", Some("")), 3);
    assert_eq!(scene.old.api.add("of the old system", Some("a\n\"b\"")), 4);
    let rows = json!([
        { "id": 1, "title": "from the console", "description": null, "status": "Pending" },
        { "id": 2, "title": "from the console", "description": null, "status": "Pending" },
        { "id": 3, "title": "Käse 😀", "description": "", "status": "Pending" },
        { "id": 4, "title": "of the old system", "description": "a\n\"b\"", "status": "Pending" },
    ]);
    assert_eq!(ours.api.list(), rows);
    assert_eq!(scene.old.api.list(), rows);
    assert_eq!(answer(&scene.old.test_event(&event("GET", None))), rows);
    assert_eq!(answer(&ours.test_event(&event("GET", None))), rows);
}

/// A test event of the console, as API Gateway's payload 1.0 is.
fn event(method: &str, body: Option<&str>) -> Value {
    json!({
        "resource": "/tasks", "path": "/tasks", "httpMethod": method, "isBase64Encoded": false, "body": body,
        "headers": { "content-type": "application/json" },
        "multiValueHeaders": { "content-type": ["application/json"] },
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": null, "stageVariables": null,
        "requestContext": { "path": "/tasks", "httpMethod": method, "identity": {} },
    })
}

/// What was answered, with status 200.
fn answer(answer: &Value) -> Value {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
}

fn added(task: i64) -> Value {
    json!({ "message": "Task added successfully", "task_id": task })
}

/// The ledger is not moved; the column shows what was written last, and ours does not go by it.
#[test]
fn what_the_old_function_writes_over_a_completed_task_undoes_nothing() {
    let scene = Scene::old();
    let ours = scene.migrate();
    let task = ours.api.add("trips", None);
    let sweeper = ours.sweep();
    scene.await_end();
    let before = scene.record(task);

    let message = json!({ "task_id": task, "title": "trips", "description": null });
    assert_eq!(scene.old.process(&message)["statusCode"], 500);
    ours.map(&scene.queue);
    scene.publish(&message);
    scene.await_empty_queue();
    drop(sweeper);

    let after = scene.record(task);
    assert_eq!(after.entries, before.entries, "nothing ran again");
    let finished = ours.api.list_with("?status=Completed");
    assert_eq!(finished.as_array().map(Vec::len), Some(1), "{finished}");
    assert_eq!(finished[0]["status"], "Completed");
    assert_eq!(scene.old.api.list()[0]["status"], "In Progress", "the old one lists the column as it is");
    assert_eq!(broken_laws(&scene.records()), [] as [String; 0]);
}
