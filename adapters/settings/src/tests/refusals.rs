use super::{Given, flags};
use crate::{Problem, table};

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let file = |file| Given { file, ..Given::default() }.refusal();
    let env = |name| Given { env: &[(name, "x")], ..Given::default() }.refusal();
    let flag = |key| Given { flags: &[(key, "x")], ..Given::default() }.refusal();
    let cases = [
        (file("[worker]\nleese = 1"), "worker.leese (", "did you mean worker.lease?"),
        (file("[worker]\nleese = 1"), "taskwatch.toml) is no setting", ""),
        (file("[wroker]\nlease = 1"), "wroker (", "did you mean worker?"),
        (file("lease = 1"), "lease (", "`taskwatch settings` lists them all"),
        (file("[handler.simulate]\nseed = 1"), "handler.simulate (", "did you mean handler.simulate_"),
        (file("worker = 3"), "taskwatch.toml holds a value for worker", "write [worker]"),
        (env("TASKWATCH_WORKER_LAESE"), "TASKWATCH_WORKER_LAESE is", "did you mean TASKWATCH_WORKER_LEASE?"),
        (env("TASKWATCH_CONFG"), "TASKWATCH_CONFG is", "did you mean TASKWATCH_CONFIG?"),
        (env("TASKWATCH_"), "TASKWATCH_ is", "`taskwatch settings` lists them all"),
        (flag("worker.lease "), "worker.lease  (command line)", "did you mean worker.lease?"),
        (flag("database.password"), "database.password (command line)", "did you mean database.password_file?"),
        (flag(""), " (command line) is no setting", ""),
    ];
    for (refusal, name, advice) in cases {
        assert!(refusal.starts_with("take the settings: "), "{refusal}");
        assert!(refusal.contains(name) && refusal.contains(advice), "{name} {advice}: {refusal}");
    }
}

#[test]
fn values_keep_to_their_limits() {
    let cases: [(&str, &[&str], &[&str]); 22] = [
        ("worker.concurrency", &["1", "1000"], &["0", "1001", "-1", "1.5", "x", "", "99999999999999999999"]),
        ("worker.lease", &["1s", "12h"], &["999ms", "12h 1ms", "60", "1 fortnight", "-1s", ""]),
        ("worker.max_attempts", &["1", "1000"], &["0", "1001"]),
        ("worker.poll", &["10ms", "1h"], &["9ms", "0", "61m"]),
        ("worker.drain", &["0s", "12h"], &["13h"]),
        ("worker.name", &["a", &"x".repeat(100)], &["", "a\nb", &"x".repeat(101)]),
        ("handler.time_limit", &["10ms", "12h"], &["9ms", "12h 1s"]),
        ("database.connections", &["1", "1000"], &["0", "1001"]),
        ("database.connect_timeout", &["100ms", "10m"], &["99ms", "11m"]),
        ("aws.region", &["eu-west-1", "us-gov-west-1"], &["EU", "eu_west_1", "ireland", ""]),
        ("intake.listen", &["0.0.0.0:0", "[::1]:8080"], &["8080", "localhost:8080", "127.0.0.1", "1.2.3.4:65536", ""]),
        (
            "intake.origins",
            &["[]", r#"["*"]"#, r#"["http://127.0.0.1:3000", "https://a.example"]"#],
            &[
                "*",
                r#"["https://a.example/"]"#,
                r#"["a.example"]"#,
                r#"["null"]"#,
                r#"["*", "https://a.example"]"#,
                "[1]",
            ],
        ),
        ("intake.page_limit", &["1", "100000"], &["0", "100001"]),
        ("log.level", &["off", "error", "warn", "info", "debug", "trace"], &["INFO", "verbose", ""]),
        ("announce.target", &["https://sqs.eu-west-1.amazonaws.com/1/q"], &["", "a\nb"]),
        ("announce.sweep", &["100ms", "1h"], &["99ms", "0s", "61m"]),
        (
            "queue.payload_buckets",
            &["[]", r#"["a-1.b", "c23"]"#],
            &["payloads", r#"["ab"]"#, r#"["Payloads"]"#, r#"["a/b/c"]"#, r#"["s3://abc"]"#],
        ),
        ("queue.dead_letters", &["send", "redrive"], &["drop", ""]),
        ("lambda.role", &["process", "intake"], &["worker", ""]),
        ("lambda.report", &["whole", "partial"], &["none", ""]),
        ("lambda.margin", &["500ms", "10m"], &["499ms", "11m"]),
        ("log.format", &["text", "json"], &["yaml"]),
    ];
    for (key, good, bad) in cases {
        let expects = &table().iter().find(|setting| setting.key == key).unwrap().expects;
        for value in good {
            assert_eq!(flags(&[(key, value)]).err(), None, "{key} {value}");
        }
        for value in bad {
            let given = serde_json::Value::from(*value);
            let expected = format!("take the settings: {key} is {given} (command line): expected {expects}");
            assert_eq!(flags(&[(key, value)]).unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn values_of_the_wrong_shape_are_refused() {
    let cases = [
        ("[worker]\nlease = 60", "worker.lease is 60 (", "expected a duration such as 30s"),
        ("[worker]\nlease = 2020-01-01", "worker.lease is a table or a date (", "expected a duration"),
        ("[worker.lease]\nseconds = 60", "worker.lease is a table or a date (", "expected a duration"),
        ("[worker]\nconcurrency = -4", "worker.concurrency is -4 (", "expected a whole number from 1 to 1000"),
        ("[worker]\nconcurrency = [4]", "worker.concurrency is [4] (", "expected a whole number"),
        ("[worker]\nname = true", "worker.name is true (", "expected one line of text of 1 to 100 characters"),
        ("[handler]\nsimulate_panics = 1.5", "handler.simulate_panics is 1.5 (", "expected a fraction from 0 to 1"),
        ("[handler]\nsimulate_panics = nan", "handler.simulate_panics is NaN (", "expected a fraction from 0 to 1"),
        ("[handler]\nsimulate_panics = 2", "handler.simulate_panics is 2 (", "expected a fraction from 0 to 1"),
        ("[handler]\nkind = \"shell\"", "handler.kind is \"shell\" (", "expected simulate, command or http"),
        ("[handler]\ncommand = \"ls -l\"", "handler.command (", "expected a program with its arguments as a list"),
        ("[handler]\ncommand = []", "handler.command (", "expected a program with its arguments"),
        ("[handler]\ncommand = [\"\"]", "handler.command (", "expected a program with its arguments"),
        ("[handler]\ncommand = [\"a\", 1]", "handler.command (", "expected a program with its arguments"),
        ("[handler]\ncommand = [\"a\", []]", "handler.command (", "expected a program with its arguments"),
        ("[handler]\ncommand = [\"a\", {}]", "handler.command (", "expected "),
        ("[handler]\ncommand = [\"a\", \"\\u0000\"]", "handler.command (", "expected a program with its arguments"),
        ("[handler]\nhttp_url = \"ftp://h/\"", "handler.http_url (", "expected an http:// or https:// URL"),
        ("[database]\niam_auth = \"yes\"", "database.iam_auth is \"yes\" (", "expected true or false"),
        ("[database]\nca_file = \"\"", "database.ca_file is \"\" (", "expected the path of a file"),
        ("[database]\nurl = \"postgres://h/d\"", "database.url (", "expected sqlite://FILE or"),
    ];
    for (file, what, expected) in cases {
        let refusal = Given { file, ..Given::default() }.refusal();
        assert!(refusal.contains(what) && refusal.contains(expected), "{file}: {refusal}");
        assert!(refusal.contains("taskwatch.toml): expected "), "{file}: {refusal}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_refused_by_name() {
    let mysql = ("database.url", "mysql://app@db.example.com/tasks");
    let near = ("database.url", "mysql://app@localhost/tasks");
    let sqlite = ("database.url", "sqlite://a.db");
    let (file, secret) = (("database.password_file", "pw"), ("database.password_secret", "prod/db"));
    let (iam, ca) = (("database.iam_auth", "true"), ("database.ca_file", "rds.pem"));
    let command = ("handler.command", r#"["true"]"#);
    type Parts<'a> = &'a [&'a str];
    let cases: Vec<(Vec<_>, Parts<'_>)> = vec![
        (vec![mysql, file, secret], &["database.password_secret (command line)", "database.password_file"]),
        (vec![mysql, file, iam], &["database.iam_auth (command line)", "database.password_file"]),
        (vec![mysql, secret, iam], &["database.iam_auth (command line)", "database.password_secret"]),
        (vec![mysql, ("database.tls", "off")], &["database.tls is \"off\"", "db.example.com", "tls_insecure_anyway"]),
        (vec![mysql, ("database.tls", "prefer")], &["database.tls is \"prefer\"", "tls_insecure_anyway"]),
        (vec![near, ca, ("database.tls", "prefer")], &["database.ca_file", "database.tls, which is prefer"]),
        (vec![near, ca, ("database.tls", "off")], &["database.ca_file", "database.tls, which is off"]),
        (vec![near, iam, ("database.tls", "prefer")], &["database.iam_auth", "database.tls"]),
        (vec![sqlite, file], &["database.password_file", "database.url, which is an SQLite file (command line)"]),
        (vec![secret], &["database.password_secret", "database.url, which is an SQLite file (default)"]),
        (vec![iam], &["database.iam_auth", "database.url"]),
        (vec![ca], &["database.ca_file", "database.url"]),
        (vec![("database.tls", "verify")], &["database.tls", "database.url"]),
        (vec![("database.tls_insecure_anyway", "true")], &["database.tls_insecure_anyway", "database.url"]),
        (vec![("handler.kind", "command")], &["handler.kind = \"command\" (command line) needs handler.command"]),
        (vec![("handler.kind", "http")], &["handler.kind = \"http\" (command line) needs handler.http_url"]),
        (
            vec![("handler.kind", "http"), ("handler.http_url", "https://app@example.com/")],
            &["handler.http_url (command line): credentials", "handler.http_headers_file"],
        ),
        (vec![command], &["handler.command (command line)", "handler.kind, which is not set (default)"]),
        (vec![("handler.kind", "simulate"), command], &["handler.command", "handler.kind, which is simulate"]),
        (
            vec![("handler.kind", "command"), command, ("handler.http_url", "http://h/")],
            &["handler.http_url", "handler.kind, which is command", "it is for the kind \"http\" only"],
        ),
        (
            vec![("handler.kind", "command"), command, ("handler.http_headers_file", "h")],
            &["handler.http_headers_file", "handler.kind"],
        ),
        (
            vec![("handler.kind", "command"), command, ("handler.simulate_seed", "1")],
            &["handler.simulate_seed", "handler.kind"],
        ),
        (
            vec![
                ("handler.kind", "simulate"),
                ("handler.simulate_failures", "0.6"),
                ("handler.simulate_permanent", "0.5"),
            ],
            &["handler.simulate_failures", "handler.simulate_permanent", "more than 1"],
        ),
        (vec![("worker.backoff_base", "1h")], &["worker.backoff_base (command line)", "worker.backoff_cap (default)"]),
        (vec![("worker.backoff_cap", "1ms")], &["worker.backoff_cap (command line)", "worker.backoff_base (default)"]),
        (vec![("log.level", "info"), ("log.level", "warn")], &["log.level is given twice on the command line"]),
    ];
    for (given, parts) in cases {
        let error = flags(&given).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{given:?}, {part}: {error}");
        }
    }
}

#[test]
fn a_choice_puts_nothing_above_it_aside() {
    let file = "[handler]\nkind = \"command\"\ncommand = [\"true\"]";
    // The flag speaks of HTTP, while the handler that counts is the file's.
    let given = Given { file, flags: &[("handler.http_url", "http://h/")], ..Given::default() };
    assert!(
        given.refusal().contains("handler.http_url (command line) contradicts handler.kind"),
        "{}",
        given.refusal()
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    let given = Given {
        file: "[worker]\nlease = \"1ms\"\n[lgo]\n",
        env: &[("TASKWATCH_LOG_LEVEL", "loud"), ("TASKWATCH_NONSENSE", "1")],
        flags: &[("worker.concurrency", "0")],
    };
    let error = given.load().unwrap_err();
    assert_eq!(error.problems().len(), 5, "{error}");
    let text = error.to_string();
    for part in
        ["for 5 reasons:\n  ", "worker.lease", "lgo", "TASKWATCH_LOG_LEVEL", "TASKWATCH_NONSENSE", "concurrency"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_place() {
    let error =
        Given { file: "[worker]\nlease = \"1s\"\n  name = hunter2 x\n", ..Given::default() }.load().unwrap_err();
    let [Problem::Syntax { path, line, column, .. }] = error.problems() else { panic!("{error}") };
    assert_eq!((path.file_name().unwrap().to_str().unwrap(), *line, *column), ("taskwatch.toml", 3, 10));
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn no_secret_is_repeated() {
    let cases = [
        ("TASKWATCH_DATABASE_URL", "mysql://app:hunter2@db/tasks"),
        ("TASKWATCH_DATABASE_URL", "mysql:/app:hunter2@db/tasks"),
        ("TASKWATCH_DATABASE_URL", "mysql://app:hunter2@"),
        ("TASKWATCH_DATABASE_URL", "mysql://app:hunter2/tasks"),
        ("TASKWATCH_DATABASE_URL", "mysql://app@db/tasks?password=hunter2"),
        ("TASKWATCH_DATABASE_URL", "mysql://db/tasks?user=app&password=hunter2"),
        ("TASKWATCH_DATABASE_PASSWORD", "hunter2"),
        ("TASKWATCH_HANDLER_HTTP_URL", "https://app:hunter2@example.com/"),
        ("TASKWATCH_HANDLER_HTTP_URL", "ftp://hunter2@example.com/"),
        ("TASKWATCH_HANDLER_COMMAND", "curl -H 'Authorization: hunter2'"),
    ];
    for (name, value) in cases {
        let error = Given { env: &[(name, value)], ..Given::default() }.load().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let url = "mysql://app:hunter2@db/tasks";
    let refusal = flags(&[("database.url", url)]).unwrap_err().to_string();
    for way in ["database.password_file", "database.password_secret", "database.iam_auth"] {
        assert!(refusal.contains(way), "{refusal}");
    }
}
