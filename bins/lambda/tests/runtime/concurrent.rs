//! Several invocations at once in one process.

use std::time::SystemTime;

use serde_json::{Value, json};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{Inserted, Store as _};
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use crate::api::Api;
use crate::support::{Database, TEST, broken_laws, server};

/// A migrated database with these tasks.
fn tasks(titles: &[&str]) -> (Database, Vec<TaskId>) {
    let database = Database::on(server());
    let tasks: Vec<_> = titles.iter().copied().map(NewTask::titled).collect();
    let now = Timestamp::EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect(TEST);
    let added = database.with_store(async |store| {
        store.migrate().await.expect(TEST);
        store.insert(&tasks, &Origin::new(Source::Local, "test"), now).await.expect(TEST)
    });
    let ids = added.iter().map(Inserted::task).collect();
    (database, ids)
}

fn event(records: impl IntoIterator<Item = (String, Value)>) -> Value {
    let record =
        |(id, body): (String, Value)| json!({ "messageId": id, "body": body.to_string(), "eventSource": "aws:sqs" });
    json!({ "Records": records.into_iter().map(record).collect::<Vec<_>>() })
}

fn kept(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("no response: {answer}"));
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().expect(TEST)).collect()
}

#[test]
fn invocations_run_at_once_and_each_is_answered_for_itself() {
    let (database, ids) = tasks(&["fine", "broken", "fine", "broken"]);
    let folder = tempfile::tempdir().expect(TEST);
    // Ends only when all four have begun: one after the other, none ever would.
    let work =
        "touch $0/$$; until [ $(ls $0 | wc -l) -ge 4 ]; do sleep 0.02; done; case $(cat) in *broken*) exit 65;; esac";
    let command = json!(["sh", "-c", work, folder.path()]).to_string();
    let handler = [("TASKWATCH_HANDLER_KIND", "command"), ("TASKWATCH_HANDLER_COMMAND", command.as_str())];
    let api = Api::start();
    let function = api.run(&database.settings(), &[&handler[..], &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]].concat());

    let requests: Vec<_> = ids
        .iter()
        .map(|id| api.invoke(event([(format!("m{id}"), json!({ "task_id": id })), (format!("x{id}"), json!("?"))])))
        .collect();
    let answers: Vec<_> = requests.iter().map(|request| api.answer(request)).collect();
    let kept: Vec<_> = answers.iter().map(kept).collect();
    assert_eq!(kept, [vec!["x1"], vec!["m2", "x2"], vec!["x3"], vec!["m4", "x4"]]);
    assert_eq!((api.most_under_way(), api.strays()), (4, 0));
    let broken = broken_laws(&database.records());
    assert!(broken.is_empty(), "{broken:#?}");
    let log = function.end();
    assert!(!log.contains("\"ERROR\""), "{log}");
    // Each line says whose it is.
    for (request, id) in requests.iter().zip(&ids) {
        let line = log.lines().find(|line| line.contains(&format!("\"x{id}\""))).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(&format!("\"{request}\"")), "{line}");
    }
}

#[test]
fn tasks_that_many_invocations_hold_at_once_run_once() {
    let (database, ids) = tasks(&["fine"; 12]);
    let api = Api::start();
    let handler = [("TASKWATCH_HANDLER_KIND", "simulate"), ("TASKWATCH_HANDLER_SIMULATE_DURATION", "20ms")];
    // More invocations than connections: they wait for one another, and none is given back for that.
    let limits = [("AWS_LAMBDA_MAX_CONCURRENCY", "8"), ("TASKWATCH_DATABASE_CONNECTIONS", "2")];
    let function = api.run(&database.settings(), &[handler, limits].concat());
    // Every task is in eight events, in each of them at another place.
    let requests: Vec<_> = (0..32)
        .map(|turn| {
            let chosen = (0..3).map(|place| ids[(turn + place * 5) % ids.len()]);
            api.invoke(event(chosen.map(|id| (format!("{turn}-{id}"), json!({ "task_id": id })))))
        })
        .collect();
    for (turn, request) in requests.iter().enumerate() {
        let answer = api.answer(request);
        // One that another invocation holds is kept; it would come again. None is of another event.
        let prefix = format!("{turn}-");
        assert!(kept(&answer).iter().all(|id| id.starts_with(&prefix)), "{answer}");
    }
    assert!(api.most_under_way() > 1 && api.most_under_way() <= 8, "{}", api.most_under_way());
    assert_eq!(api.strays(), 0);
    let records = database.records();
    for record in &records {
        let started = record.entries.iter().filter(|entry| entry.event == EventKind::Started).count();
        assert_eq!((started, record.row.as_ref().unwrap().status.to_string().as_str()), (1, "Completed"));
    }
    let broken = broken_laws(&records);
    assert!(broken.is_empty(), "{broken:#?}");
    let log = function.end();
    assert!(!log.contains("\"ERROR\"") && !log.contains("\"WARN\""), "{log}");
}
