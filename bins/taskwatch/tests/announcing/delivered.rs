//! While all is well.

use serde_json::json;

use crate::place::{DATABASES, Place, broker, tasks};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// Longer than a busy machine needs: what is announced, is announced before the answer.
const PATIENT: &str = "announce.within=30s";

#[test]
fn what_is_added_over_http_comes_as_the_python_system_sent_it() {
    for database in DATABASES {
        let place = Place::new(database, broker());
        let served = place.serve(&[PATIENT]);
        let body = r#"{"title": "Handle «melk»", "description": "og \"brød\""}"#;
        let trace = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
        assert_eq!(served.request("POST /tasks", &trace, body)["task_id"], 1);

        let messages = place.received(1);
        place.nothing_more();
        let [message] = &messages[..] else { panic!("{database:?}: {messages:?}") };
        assert_eq!(message.body, json!({ "task_id": 1, "title": "Handle «melk»", "description": "og \"brød\"" }));
        let envelope = &message.envelope;
        assert_eq!(
            (&envelope["Type"], &envelope["Subject"], &envelope["TopicArn"]),
            (&json!("Notification"), &json!("New Task Added"), &json!(place.topic))
        );
        let attribute = &envelope["MessageAttributes"]["traceparent"];
        assert_eq!(attribute["Type"], "String");
        let passed_on = attribute["Value"].as_str().unwrap();
        assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && passed_on.len() == 55, "{passed_on}");
        let ledger = served.request("GET /tasks/1", "", "")["ledger"].take();
        assert_eq!((&ledger[0]["event"], &ledger[0]["trace"]), (&json!("Added"), &json!(TRACE)));
        assert_eq!(served.logged("announce"), 0, "{}", served.log());
    }
}

#[test]
fn each_is_announced_once_however_many_come_at_once() {
    for database in DATABASES {
        let place = Place::new(database, broker());
        let served = place.serve(&[PATIENT, "announce.sweep=100ms"]);
        std::thread::scope(|scope| {
            for client in 0..8 {
                let served = &served;
                scope.spawn(move || (0..5).map(|n| served.add(&format!("{client}/{n}"))).max());
            }
        });
        // A repetition is not another task.
        for _ in 0..2 {
            let repeated = served.request("POST /tasks", "Idempotency-Key: once\r\n", r#"{"title": "once"}"#);
            assert_eq!(repeated["task_id"], served.request("GET /tasks?limit=1", "", "")[0]["id"]);
        }
        let messages = place.received(41);
        place.nothing_more();
        assert_eq!(messages.len(), 41, "{:?}", tasks(&messages));
        place.books_balance();
    }
}

#[test]
fn what_is_not_to_be_started_yet_is_announced_when_it_is() {
    let place = Place::new(crate::place::Database::Sqlite, broker());
    let served = place.serve(&[PATIENT, "announce.sweep=100ms"]);
    let late = r#"{"title": "next century", "not_before": "2099-12-01T02:00:00Z"}"#;
    assert_eq!(served.request("POST /tasks", "", late)["task_id"], 1);
    let (stdout, _) = place.done(&["add", "soon", "--not-before", "1s"]);
    assert_eq!(stdout, "added task 2\n");
    let messages = place.received(1);
    assert_eq!(tasks(&messages), [2]);
    place.nothing_more();
}
