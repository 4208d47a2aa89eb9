use std::time::Duration;

use super::{Given, flags};
use crate::{DatabasePlace, MySql, Origin, Password, Settings, Tls, Work, markdown_table, table};

/// Every key: its default, and another value as text and as TOML.
const ALL: [(&str, Option<&str>, &str, &str); 53] = [
    ("database.url", Some("sqlite://taskwatch.db"), "sqlite://b.db", r#""sqlite://b.db""#),
    ("database.password_file", None, "/run/pw", r#""/run/pw""#),
    ("database.password_secret", None, "prod/db", r#""prod/db""#),
    ("database.iam_auth", Some("false"), "true", "true"),
    ("database.ca_file", None, "rds.pem", r#""rds.pem""#),
    ("database.tls", None, "verify", r#""verify""#),
    ("database.tls_insecure_anyway", Some("false"), "true", "true"),
    ("database.connections", Some("4"), "9", "9"),
    ("database.connect_timeout", Some("10s"), "1s 500ms", r#""1s 500ms""#),
    ("aws.region", None, "eu-west-1", r#""eu-west-1""#),
    ("handler.kind", None, "simulate", r#""simulate""#),
    ("handler.command", None, r#"["sh", "-c", "a \"b\"\u0001"]"#, r#"["sh", "-c", "a \"b\"\u0001"]"#),
    ("handler.http_url", None, "https://example.com/hook", r#""https://example.com/hook""#),
    ("handler.http_headers_file", None, "headers", r#""headers""#),
    ("handler.time_limit", Some("15m"), "12h", r#""12h""#),
    ("handler.simulate_duration", Some("50ms"), "0s", r#""0s""#),
    ("handler.simulate_failures", Some("0.0"), "0.25", "0.25"),
    ("handler.simulate_permanent", Some("0.0"), "1", "1"),
    ("handler.simulate_panics", Some("0.0"), "0.5", "0.5"),
    ("handler.simulate_seed", Some("0"), "18446744073709551615", r#""18446744073709551615""#),
    ("worker.name", None, "größe 1", r#""größe 1""#),
    ("worker.concurrency", Some("16"), "1000", "1000"),
    ("worker.lease", Some("60s"), "12h", r#""12h""#),
    ("worker.max_attempts", Some("5"), "1", "1"),
    ("worker.backoff_base", Some("1s"), "15m", r#""15m""#),
    ("worker.backoff_cap", Some("15m"), "1h 30m", r#""1h 30m""#),
    ("worker.drain", Some("20s"), "0s", r#""0s""#),
    ("worker.poll", Some("1s"), "10ms", r#""10ms""#),
    ("worker.health", None, "127.0.0.1:8081", r#""127.0.0.1:8081""#),
    ("worker.intake", Some("false"), "true", "true"),
    ("worker.notices", Some("true"), "false", "false"),
    ("worker.lifecycle_hook", None, "drain", r#""drain""#),
    ("worker.adopt_after", Some("10m"), "1day", r#""1day""#),
    ("intake.listen", Some("127.0.0.1:8080"), "[::]:80", r#""[::]:80""#),
    ("intake.origins", Some("[]"), r#"["https://app.example.com"]"#, r#"["https://app.example.com"]"#),
    ("intake.token_file", None, "/run/token", r#""/run/token""#),
    ("intake.page_limit", Some("10000"), "50", "50"),
    ("announce.target", None, "arn:aws:sns:eu-west-1:1:t", r#""arn:aws:sns:eu-west-1:1:t""#),
    ("announce.within", Some("1s"), "0s", r#""0s""#),
    ("announce.sweep", Some("10s"), "1h", r#""1h""#),
    ("queue.name", None, "https://sqs.eu-west-1.amazonaws.com/1/q", r#""https://sqs.eu-west-1.amazonaws.com/1/q""#),
    ("queue.receivers", Some("2"), "32", "32"),
    ("queue.wait", Some("20s"), "0s", r#""0s""#),
    ("queue.hidden", Some("60s"), "12h", r#""12h""#),
    ("queue.payload_buckets", Some("[]"), r#"["task-payloads"]"#, r#"["task-payloads"]"#),
    ("queue.visibility", Some("true"), "false", "false"),
    ("queue.dead_letters", Some("send"), "redrive", r#""redrive""#),
    ("lambda.role", Some("process"), "intake", r#""intake""#),
    ("lambda.report", Some("whole"), "partial", r#""partial""#),
    ("lambda.margin", Some("2s"), "10m", r#""10m""#),
    ("replay.journals", None, "/var/lib/taskwatch", r#""/var/lib/taskwatch""#),
    ("replay.max_replays", Some("3"), "10", "10"),
    ("log.level", Some("info"), "off", r#""off""#),
];

/// What has to be given along with a key for it to have a meaning.
fn context(key: &str) -> &'static [(&'static str, &'static str)] {
    const MYSQL: (&str, &str) = ("database.url", "mysql://app@db.example.com/tasks");
    const HTTP: (&str, &str) = ("handler.kind", "http");
    match key {
        "database.password_file" | "database.password_secret" | "database.iam_auth" | "database.ca_file" => &[MYSQL],
        "database.tls" | "database.tls_insecure_anyway" => &[MYSQL],
        "handler.command" => &[("handler.kind", "command")],
        "handler.http_url" => &[HTTP],
        "handler.http_headers_file" => &[HTTP, ("handler.http_url", "http://example.com/")],
        _ if key.starts_with("handler.simulate") => &[("handler.kind", "simulate")],
        _ => &[],
    }
}

/// The same settings, whoever gave them.
fn plain(settings: Settings) -> Settings {
    Settings { effective: Vec::new(), ..settings }
}

#[test]
fn the_table_is_complete_and_its_defaults_are_the_defaults() {
    let mut all: Vec<_> = ALL.iter().map(|(key, default, ..)| (*key, *default)).collect();
    all.push(("log.format", Some("text")));
    let documented: Vec<_> = table().iter().map(|setting| (setting.key, setting.default.as_deref())).collect();
    assert_eq!(documented, all);
    for (key, default) in all {
        let Some(default) = default else { continue };
        let explicit: Vec<_> = context(key).iter().copied().chain([(key, default)]).collect();
        let (explicit, implicit) = (flags(&explicit).unwrap(), flags(context(key)).unwrap());
        assert_eq!(plain(explicit), plain(implicit), "{key}");
    }
}

#[test]
fn every_setting_is_documented() {
    for setting in table() {
        assert!(!setting.expects.is_empty() && setting.doc.ends_with('.'), "{setting:?}");
        assert_eq!(setting.env, format!("TASKWATCH_{}", setting.key.replace('.', "_").to_uppercase()));
    }
    let rows = markdown_table();
    assert_eq!(rows.lines().count(), table().len() + 2);
    assert!(
        rows.contains(
            "| `worker.lease` | `TASKWATCH_WORKER_LEASE` | a duration such as 30s, from 1s to 12h | `60s` | How long"
        ),
        "{rows}"
    );
    for row in rows.lines() {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
}

#[test]
fn every_setting_can_be_given_in_every_way() {
    for (key, default, text, toml) in ALL {
        let setting = table().iter().find(|setting| setting.key == key).unwrap();
        let flags = context(key);
        let by_flag: Vec<_> = flags.iter().copied().chain([(key, text)]).collect();
        let by_flag = Given { flags: &by_flag, ..Given::default() }.load().unwrap();
        let by_env = Given { env: &[(&setting.env, text)], flags, ..Given::default() }.load().unwrap();
        // In the same layer, for a higher one would put the key aside.
        let (section, name) = setting.path();
        let mut sections = std::collections::BTreeMap::<_, Vec<_>>::new();
        sections.entry(section).or_default().push(format!("{name} = {toml}"));
        for (key, value) in flags {
            let (section, name) = key.split_once('.').unwrap();
            sections.entry(section).or_default().push(format!("{name} = {value:?}"));
        }
        let file: String = sections.iter().map(|(name, lines)| format!("[{name}]\n{}\n", lines.join("\n"))).collect();
        let by_file = Given { file: &file, ..Given::default() }.load().unwrap();

        let of = |settings: &Settings| settings.effective().iter().find(|found| found.key == key).cloned().unwrap();
        assert_eq!(of(&by_flag).origin, Origin::CommandLine);
        assert_eq!(of(&by_env).origin, Origin::Environment(setting.env.clone()));
        assert!(matches!(of(&by_file).origin, Origin::File(_)), "{key}");
        assert_eq!(of(&by_flag).value.as_deref(), Some(text));
        assert_ne!(Some(text), default, "{key}: the example must differ from the default");

        // What it shows as its value can be given again.
        let value = of(&by_file).value.unwrap();
        let again: Vec<_> = flags.iter().copied().chain([(key, value.as_str())]).collect();
        let again = Given { flags: &again, ..Given::default() }.load().unwrap();
        let by_flag = plain(by_flag);
        assert_eq!(plain(by_env), by_flag, "{key}");
        assert_eq!(plain(by_file), by_flag, "{key}");
        assert_eq!(plain(again), by_flag, "{key}");
        if key != "database.tls" && key != "database.tls_insecure_anyway" {
            let Ok(without) = Given { flags, ..Given::default() }.load() else { continue };
            assert_ne!(plain(without), by_flag, "{key} makes no difference");
        }
    }
}

#[test]
fn defaults_arrive_where_they_belong() {
    let settings = flags(&[]).unwrap();
    assert_eq!(settings.database.place, DatabasePlace::Sqlite("taskwatch.db".into()));
    assert_eq!((settings.handler.work, settings.handler.time_limit), (None, Duration::from_secs(900)));
    let worker = settings.worker;
    assert_eq!((worker.name, worker.max_attempts), (None, 5));
    assert_eq!((worker.lease, worker.drain), (Duration::from_secs(60), Duration::from_secs(20)));
    assert_eq!((worker.backoff_base, worker.backoff_cap), (Duration::from_secs(1), Duration::from_secs(900)));
    assert_eq!((worker.poll, worker.adopt_after), (Duration::from_secs(1), Duration::from_secs(600)));
}

#[test]
fn the_way_into_a_server() {
    let far = ("database.url", "mysql://app@db.example.com:3307/tasks");
    let near = ("database.url", "mysql://app@127.0.0.1/tasks");
    let anyway = ("database.tls_insecure_anyway", "true");
    let iam = ("database.iam_auth", "true");
    let ca = ("database.ca_file", "rds.pem");
    let verify = |ca: Option<&str>| Tls::Verify { ca_file: ca.map(Into::into) };
    let cases = [
        (vec![far], Password::None, verify(None)),
        (vec![far, ca], Password::None, verify(Some("rds.pem"))),
        (vec![far, iam], Password::IamToken, verify(None)),
        (vec![far, ("database.password_file", "pw")], Password::File("pw".into()), verify(None)),
        (vec![far, ("database.password_secret", "arn:x")], Password::Secret("arn:x".into()), verify(None)),
        (vec![far, ("database.tls", "prefer"), anyway], Password::None, Tls::Prefer),
        (vec![far, ("database.tls", "off"), anyway], Password::None, Tls::Off),
        (vec![near], Password::None, Tls::Prefer),
        (vec![near, ca], Password::None, verify(Some("rds.pem"))),
        (vec![near, iam], Password::IamToken, verify(None)),
        (vec![near, ("database.tls", "verify")], Password::None, verify(None)),
        (vec![near, ("database.tls", "off")], Password::None, Tls::Off),
    ];
    for (given, expected_password, expected_tls) in cases {
        match flags(&given).unwrap().database.place {
            DatabasePlace::MySql(MySql { password, tls, .. }) => {
                assert_eq!((password, tls), (expected_password, expected_tls), "{given:?}");
            }
            other @ DatabasePlace::Sqlite(_) => panic!("{given:?}: {other}"),
        }
    }
}

#[test]
fn the_work_of_each_kind() {
    let work = |given: &[(&str, &str)]| flags(given).unwrap().handler.work.unwrap();
    let argv = vec!["python3".to_owned(), "work.py".to_owned()];
    let command = work(&[("handler.kind", "command"), ("handler.command", r#"["python3","work.py"]"#)]);
    assert_eq!(command, Work::Command(argv));
    // Which add up to a little more than 1, in binary.
    let shares = [("handler.simulate_failures", "0.33"), ("handler.simulate_permanent", "0.56")];
    let all = [&shares[..], &[("handler.simulate_panics", "0.11"), ("handler.kind", "simulate")]].concat();
    let Work::Simulate(simulate) = work(&all) else { panic!("another kind") };
    assert_eq!((simulate.failures, simulate.permanent, simulate.panics), (0.33, 0.56, 0.11));
}
