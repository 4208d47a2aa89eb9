//! The init phase with a database that takes connections and says nothing.

use std::time::{Duration, Instant};

use serde_json::json;
use taskwatch_testbed::Line;

use crate::api::Api;
use crate::support::{Database, TEST, server};

/// Lambda ends an init phase that takes longer, and begins it again at the cost of the first invocation.
const INIT: Duration = Duration::from_secs(10);

#[test]
fn a_silent_database_does_not_use_up_the_init_phase_and_is_found_when_it_speaks() {
    let database = Database::on(server());
    database.with_store(async |store| store.migrate().await.expect(TEST));
    let line = Line::to(server().port()).expect(TEST);
    line.be_deaf(true);
    let mut settings = database.settings();
    let url = settings["TASKWATCH_DATABASE_URL"].as_str().expect(TEST);
    settings["TASKWATCH_DATABASE_URL"] =
        json!(url.replace(&format!(":{}/", server().port()), &format!(":{}/", line.port())));
    let api = Api::start();
    let mut function =
        api.run(&settings, &[("TASKWATCH_HANDLER_KIND", "simulate"), ("TASKWATCH_DATABASE_CONNECT_TIMEOUT", "12s")]);
    let begun = Instant::now();
    while api.polls() == 0 {
        assert!(begun.elapsed() < INIT, "the init phase is over");
        assert!(function.is_running(), "{}", function.end());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(line.opened() > 0, "it has tried");

    let message =
        |id: &str| json!({ "Records": [{ "messageId": id, "body": "{\"task_id\": 1}", "eventSource": "aws:sqs" }] });
    // In time, or Lambda would take the environment down.
    let answer = api.answer(&api.invoke(message("a")));
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "a" }] }));
    line.be_deaf(false);
    // There is no such task: only a database can say so.
    let answer = api.answer(&api.invoke(message("b")));
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "b" }] }));
    let log = function.end();
    let says = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!(says("\"ERROR\""), 1, "{log}");
    assert_eq!(says("recovered: the database answers again"), 1, "{log}");
}
