//! The program on a real server: the way in, the schema, the work, the books.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::server::OnServer;
use crate::support::{Place, Ran};

#[test]
fn a_task_lives_on_a_server_as_it_does_in_a_file() {
    let place = OnServer::empty();
    let first = place.run(["migrate"]);
    assert!(first.code == Some(0) && first.stdout.contains("the schema is new here"), "{first:?}");
    assert!(first.stdout.contains("TLS, "), "a named authority means that it is verified: {first:?}");
    assert!(place.run(["migrate"]).stdout.contains("nothing to do"));

    for (title, more) in [("fine", "a"), ("broken", "b"), ("nobody wants this", "c")] {
        assert_eq!(place.run(["add", title, "--description", more]).code, Some(0));
    }
    assert_eq!(place.run(["cancel", "3", "--reason", "the customer called"]).code, Some(0));
    let script =
        "task=$(cat); case $task in *broken*) echo 'the disk is full' >&2; exit 65;; *) echo $task >> out;; esac";
    let ran = place.run(["run", "--until-empty", "--command", "--", "sh", "-c", script]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.statuses(), ["Completed", "Failed", "Cancelled"], "{ran:?}");
    let written = std::fs::read_to_string(place.path("out")).unwrap();
    assert!(written.lines().count() == 1 && written.contains("\"title\":\"fine\""), "{written}");

    let shown = place.run(["show", "2"]);
    assert!(shown.stdout.contains("the disk is full"), "{shown:?}");
    let events = |task| -> Vec<String> {
        let record = place.json(["show", task, "--json"]);
        let entries = record["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(events("1"), ["Added", "Started", "Completed"]);
    assert_eq!(events("2"), ["Added", "Started", "Failed"]);
    assert_eq!(events("3"), ["Added", "Cancelled"]);
    assert_eq!(place.run(["show", "4"]).code, Some(1));

    let books = place.json(["verify", "--json"]);
    assert_eq!(books["balanced"], true);
    place.ask("UPDATE tasks SET attempt = 7 WHERE id = 1");
    let offended = place.run(["verify"]);
    assert_eq!(offended.code, Some(1));
    assert!(offended.stdout.contains("task 1 breaks the law «fold»"), "{offended:?}");
}

#[test]
fn processes_that_migrate_at_once_all_find_it_done() {
    let place = OnServer::empty();
    place.ask(
        "CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT, \
         status VARCHAR(50) DEFAULT 'Pending'); INSERT INTO tasks (title) SELECT CONCAT('t', seq) FROM seq_1_to_2000",
    );
    let start = |_| {
        let mut command = place.command(["migrate"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..4).map(start).collect();
    let ran: Vec<Ran> = running.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    assert!(ran.iter().all(|ran| ran.code == Some(0)), "{ran:?}");
    assert_eq!(place.ask("SELECT COUNT(*) = MAX(version) FROM taskwatch_schema"), "1", "each step was noted once");
    assert_eq!(place.run(["migrate", "--check"]).code, Some(0));
    assert_eq!(place.json(["list", "--json", "--limit", "3000"]).as_array().unwrap().len(), 2000);
}

#[test]
fn captures_of_every_kind_are_replayed() {
    let place = OnServer::migrated();
    let announcement = |task: i64| json!({ "task_id": task, "title": "x", "description": null }).to_string();
    let envelope = |task: i64| {
        json!({
            "Type": "Notification", "MessageId": format!("sns-{task}"), "Subject": "New Task Added",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:new-task-notification", "Message": announcement(task),
        })
        .to_string()
    };
    let record = |task: i64| {
        json!({
            "messageId": format!("sqs-{task}"), "receiptHandle": "r", "body": envelope(task),
            "attributes": { "ApproximateReceiveCount": "1" }, "eventSource": "aws:sqs",
        })
    };
    let output = |task: i64| {
        let message = json!({ "MessageId": format!("m-{task}"), "ReceiptHandle": "r", "Body": announcement(task) });
        json!({ "Messages": [message] })
    };
    // Two tasks each, so that what comes one a line comes in two lines.
    let lines = |line: &dyn Fn(i64) -> String, tasks: [i64; 2]| tasks.map(|task| line(task) + "\n").concat();
    let captures: [(&str, String); 7] = [
        ("Lambda events", json!({ "Records": [record(1), record(2)] }).to_string()),
        ("receive-message output", format!("{:#}\n{:#}", output(3), output(4))),
        ("SQS records", lines(&|task| record(task).to_string(), [5, 6])),
        ("SNS envelopes", lines(&envelope, [7, 8])),
        ("raw bodies", lines(&announcement, [9, 10])),
        ("raw bodies", lines(&|task| json!(announcement(task)).to_string(), [11, 12])),
        ("SNS envelopes", lines(&|task| json!(envelope(task)).to_string(), [13, 14])),
    ];
    assert_eq!(place.run(["add", "x", "--count", "14", "--max-attempts", "1"]).code, Some(0));
    // They all die of a fault that is then mended, which is how captures come about.
    assert_eq!(place.run(["run", "--until-empty", "--command", "--", "false"]).code, Some(0));
    assert!(place.statuses().iter().all(|status| status == "Failed"));

    for (form, capture) in captures {
        place.write("capture.json", &capture);
        let ran = place.run(["replay", "capture.json", "--yes", "--reason", "mended", "--command", "--", "true"]);
        assert_eq!(ran.code, Some(0), "{form}: {ran:?}");
        assert!(ran.stdout.contains("2 completed, 0 sent"), "{form}: {ran:?}");
    }
    assert!(place.statuses().iter().all(|status| status == "Completed"));
    assert_eq!(place.run(["verify"]).code, Some(0));
}

#[test]
fn whoever_cannot_get_in_learns_why_and_no_secret() {
    let place = OnServer::migrated();
    place.write("wrong", "hunter2-s3cret");
    place.write("empty", "");
    let (server, name) = (place.server, &*place.name);
    let (user, host, port) = (server.user(), server.host(), server.port());
    let url = |user: &str, host: &str, name: &str| format!("mysql://{user}@{host}:{port}/{name}");
    let right = url(user, &host.to_string(), name);
    let ca = format!("database.ca_file={}", server.ca_pem_path().display());
    let other_ca = format!("database.ca_file={}", server.other_ca_pem_path().display());
    let password = "database.password_file=password";
    let wrong = "database.password_file=wrong";
    let quickly = "database.connect_timeout=3s";
    let leaking = format!("mysql://{user}:hunter2-s3cret@{host}:{port}/{name}");
    let cases: [(&str, &[&str], i32, &[&str]); 12] = [
        (&right, &[wrong, &ca], 4, &["Access denied", "password"]),
        (&right, &["database.password_file=missing", &ca], 4, &["missing"]),
        (&right, &["database.password_file=empty", &ca], 4, &["empty"]),
        (&url("nobody", "127.0.0.1", name), &[wrong, &ca], 4, &["nobody", "database.url"]),
        (&url(user, "no-such-host.invalid", name), &[wrong, quickly], 4, &["no-such-host.invalid"]),
        (&format!("mysql://{user}@127.0.0.1:1/{name}"), &[wrong, quickly], 4, &["127.0.0.1:1"]),
        (&right, &[password, "database.tls=verify"], 4, &["certificate", "database.ca_file"]),
        (&right, &[password, &other_ca], 4, &["certificate", "database.ca_file"]),
        (&right, &[password, "database.ca_file=nowhere.pem"], 4, &["nowhere.pem"]),
        (&url(user, "127.0.0.1", "no_such_db"), &[password, &ca], 4, &["no_such_db"]),
        (&leaking, &[&ca], 2, &["database.url", "password_file"]),
        (
            &url(user, "db.example.com", name),
            &[password, "database.tls=off"],
            2,
            &["database.tls", "tls_insecure_anyway"],
        ),
    ];
    for (url, settings, code, words) in cases {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let elsewhere = Place::with([]);
        for file in ["password", "wrong", "empty"] {
            elsewhere.write(file, &std::fs::read_to_string(place.path(file)).unwrap());
        }
        let ran: Ran =
            elsewhere.command(["--database", url].into_iter().chain(settings).chain(["list"])).output().unwrap().into();
        assert_eq!(ran.code, Some(code), "{words:?}: {ran:?}");
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{words:?} expected: {ran:?}");
        let everything = format!("{ran:?}");
        for secret in ["hunter2", "s3cret", server.password()] {
            assert!(!everything.contains(secret), "{words:?}: {ran:?}");
        }
    }
}

#[test]
fn a_schema_that_is_not_ready_is_nobodys_but_migrates_to_change() {
    let place = OnServer::empty();
    for args in
        [&["list"][..], &["add", "x"], &["verify"], &["run", "--simulate", "--until-empty"], &["migrate", "--check"]]
    {
        let ran: Ran = place.command(args).output().unwrap().into();
        assert_eq!(ran.code, Some(4), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("taskwatch migrate"), "{args:?}: {ran:?}");
    }
    assert_eq!(place.ask("SHOW TABLES"), "");
    assert_eq!(place.run(["migrate"]).code, Some(0));
    place.ask("INSERT INTO taskwatch_schema VALUES (99, 0)");
    for args in [&["list"][..], &["migrate"]] {
        let newer: Ran = place.command(args).output().unwrap().into();
        assert!(newer.code == Some(4) && newer.stderr.contains("upgrade taskwatch"), "{args:?}: {newer:?}");
    }
}

#[test]
fn the_log_of_a_worker_never_holds_the_password() {
    let place = OnServer::migrated();
    place.run(["add", "x", "--count", "3"]);
    for format in ["text", "json"] {
        let mut command = place.command(["run", "--until-empty", "--simulate", "--set", "log.level=trace"]);
        let ran: Ran = command.args(["--set", &format!("log.format={format}")]).output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!format!("{ran:?}").contains(place.server.password()), "{format}");
    }
    let shown = place.run(["settings"]);
    assert!(shown.stdout.contains("database.password_file"), "{shown:?}");
    assert!(!format!("{shown:?}").contains(place.server.password()), "{shown:?}");
    let listed: Value = place.json(["list", "--json"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
}
