use std::ffi::OsString;

use super::{Given, flags, load_from};
use crate::{Origin, Problem, Settings, SettingsError, settings_among};

fn lease(settings: &Settings) -> (u64, String) {
    let lease = settings.effective().iter().find(|setting| setting.key == "worker.lease").unwrap();
    let origin = lease.origin.to_string();
    let name = origin.rsplit('/').next().unwrap().to_owned();
    (settings.worker.lease.as_secs(), name)
}

#[test]
fn the_higher_layer_wins() {
    let file = "[worker]\nlease = \"10s\"";
    let env = [("TASKWATCH_WORKER_LEASE", "20s")];
    let flag = [("worker.lease", "30s")];
    let cases = [
        (Given { file, env: &env, flags: &flag }, 30, "command line"),
        (Given { file: "", env: &env, flags: &flag }, 30, "command line"),
        (Given { file, env: &[], flags: &flag }, 30, "command line"),
        (Given { file, env: &env, flags: &[] }, 20, "TASKWATCH_WORKER_LEASE"),
        (Given { file: "", env: &env, flags: &[] }, 20, "TASKWATCH_WORKER_LEASE"),
        (Given { file, env: &[("TASKWATCH_WORKER_LEASE", "")], flags: &[] }, 10, "taskwatch.toml"),
        (Given::default(), 60, "default"),
    ];
    for (given, seconds, origin) in cases {
        assert_eq!(lease(&given.load().unwrap()), (seconds, origin.to_owned()), "{given:?}");
    }
}

#[test]
fn a_value_that_loses_does_not_count_at_all() {
    let given = Given { file: "[worker]\nlease = 5", flags: &[("worker.lease", "30s")], ..Given::default() };
    assert_eq!(given.load().unwrap().worker.lease.as_secs(), 30);
}

#[test]
fn layers_add_up() {
    let given = Given {
        file: "[worker]\nlease = \"10s\"\npoll = \"2s\"\n[log]\nlevel = \"debug\"",
        env: &[("TASKWATCH_WORKER_POLL", "3s")],
        flags: &[("worker.concurrency", "7")],
    };
    let Settings { worker, log, .. } = given.load().unwrap();
    assert_eq!((worker.lease.as_secs(), worker.poll.as_secs(), worker.concurrency), (10, 3, 7));
    assert_eq!(log.level.as_str(), "debug");
}

#[test]
fn the_region_falls_back_on_the_variables_of_aws() {
    let file = "[aws]\nregion = \"eu-west-2\"";
    let own = ("TASKWATCH_AWS_REGION", "eu-west-3");
    let first = ("AWS_REGION", "us-east-1");
    let second = ("AWS_DEFAULT_REGION", "us-east-2");
    let cases: [(Given<'_>, Option<&str>); 5] = [
        (Given { file, env: &[second, first, own], flags: &[] }, Some("eu-west-3")),
        (Given { file, env: &[second, first], flags: &[] }, Some("eu-west-2")),
        (Given { file: "", env: &[second, first], flags: &[] }, Some("us-east-1")),
        (Given { file: "", env: &[second, ("AWS_REGION", "")], flags: &[] }, Some("us-east-2")),
        (Given::default(), None),
    ];
    for (given, region) in cases {
        assert_eq!(given.load().unwrap().aws.region.as_deref(), region, "{given:?}");
    }
}

#[test]
fn journals_are_kept_where_the_state_of_programs_is() {
    let file = "[replay]\njournals = \"/file\"";
    let (state, home) = (("XDG_STATE_HOME", "/state"), ("HOME", "/home/ada"));
    let cases: [(Given<'_>, Option<&str>); 5] = [
        (Given { file, env: &[home, state], flags: &[] }, Some("/file")),
        (Given { file: "", env: &[home, state], flags: &[] }, Some("/state/taskwatch")),
        (Given { file: "", env: &[home], flags: &[] }, Some("/home/ada/.local/state/taskwatch")),
        (
            Given { file: "", env: &[home, ("XDG_STATE_HOME", "state")], flags: &[] },
            Some("/home/ada/.local/state/taskwatch"),
        ),
        (Given::default(), None),
    ];
    for (given, journals) in cases {
        assert_eq!(given.load().unwrap().replay.journals.as_deref(), journals.map(std::path::Path::new), "{given:?}");
    }
}

#[test]
fn the_file_is_the_one_named_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seconds: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("[worker]\nlease = \"{seconds}s\"")).unwrap();
        path
    };
    let (default, by_env, by_flag) = (write("taskwatch.toml", 1), write("env.toml", 2), write("flag.toml", 3));
    let variable = [("TASKWATCH_CONFIG", by_env.to_str().unwrap())];
    let load = |file, env: &[(&str, &str)]| lease(&load_from(folder.path(), file, env, &[]).unwrap());
    assert_eq!(load(Some(&by_flag), &variable), (3, "flag.toml".to_owned()));
    assert_eq!(load(None, &variable), (2, "env.toml".to_owned()));
    assert_eq!(load(None, &[("TASKWATCH_CONFIG", "")]), (1, "taskwatch.toml".to_owned()));
    std::fs::remove_file(default).unwrap();
    assert_eq!(load(None, &[]), (60, "default".to_owned()));

    // Whoever names a file means it.
    std::fs::remove_file(&by_env).unwrap();
    let error = load_from(folder.path(), None, &variable, &[]).unwrap_err();
    assert!(
        matches!(error.problems(), [Problem::Unreadable { path, by: Origin::Environment(_), .. }] if *path == by_env),
        "{error}"
    );
    std::fs::remove_file(&by_flag).unwrap();
    let error = load_from(folder.path(), Some(&by_flag), &[], &[]).unwrap_err();
    assert!(
        matches!(error.problems(), [Problem::Unreadable { path, by: Origin::CommandLine, .. }] if *path == by_flag),
        "{error}"
    );
}

#[test]
fn other_variables_are_left_alone() {
    let env = [("TASKWATCH_TEST_MYSQL", "x"), ("taskwatch_worker", "x"), ("TASKWATCHER", "x"), ("PATH", "/bin")];
    assert_eq!(Given { env: &env, ..Given::default() }.load(), flags(&[]));
}

#[cfg(unix)]
#[test]
fn only_variables_that_concern_us_must_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![0xff]);
    let fine = |text: &str| OsString::from(text);
    let env = [(fine("LS_COLORS"), broken()), (broken(), broken()), (fine("TASKWATCH_LOG_LEVEL"), fine("warn"))];
    let expected = vec![("TASKWATCH_LOG_LEVEL".to_owned(), "warn".to_owned())];
    assert_eq!(settings_among(env.into_iter()), Ok(expected));

    let env = [(fine("TASKWATCH_WORKER_NAME"), broken())];
    let refused = SettingsError(vec![Problem::NotText("TASKWATCH_WORKER_NAME".to_owned())]);
    assert_eq!(settings_among(env.into_iter()), Err(refused));
}

#[test]
fn a_higher_choice_puts_lower_ones_aside() {
    let file = "[handler]\nkind = \"command\"\ncommand = [\"true\"]\n[database]\nurl = \"mysql://app@db/tasks\"\n\
                password_file = \"pw\"\nca_file = \"ca.pem\"";
    let secret = [("TASKWATCH_DATABASE_PASSWORD_SECRET", "prod/db")];
    let given = Given {
        file,
        env: &secret,
        flags: &[("handler.kind", "simulate"), ("database.tls", "off"), ("database.tls_insecure_anyway", "true")],
    };
    let settings = given.load().unwrap();
    assert!(matches!(settings.handler.work, Some(crate::Work::Simulate(_))));
    let crate::DatabasePlace::MySql(server) = &settings.database.place else { panic!("{settings:?}") };
    assert_eq!((&server.password, &server.tls), (&crate::Password::Secret("prod/db".into()), &crate::Tls::Off));
    for key in ["handler.command", "database.password_file", "database.ca_file"] {
        let aside = settings.effective().iter().find(|setting| setting.key == key).unwrap();
        assert_eq!((&aside.value, &aside.origin), (&None, &Origin::Default), "{key}");
    }

    let given = Given { file, env: &[], flags: &[("database.url", "sqlite://a.db")] };
    assert_eq!(given.load().unwrap().database.place.to_string(), "sqlite://a.db");
}
