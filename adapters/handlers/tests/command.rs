//! The command handler with real programs.
#![cfg(unix)]

#[path = "../src/testing.rs"]
mod testing;

use std::fs;
use std::path::Path;
use std::time::Duration;

use taskwatch_core::ports::{Failure, FailureKind, Handler};
use taskwatch_handlers::{Command, InvalidCommand, MAX_RETRY_AFTER};
use tempfile::TempDir;

/// Longer than anything here takes; less than the sleepers that must not be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Command {
    limited(script, PATIENCE)
}

fn limited(script: &str, limit: Duration) -> Command {
    Command::new(["sh", "-c", script].map(str::to_owned).to_vec(), limit).expect("the command is good")
}

fn in_directory(script: &str) -> (Command, TempDir) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    (shell(script).current_dir(directory.path()), directory)
}

async fn run(command: &Command) -> Result<(), Failure> {
    let (task, attempt) = testing::attempt(7, 2);
    tokio::time::timeout(PATIENCE, command.handle(&task, &attempt)).await.expect("the attempt comes to an end")
}

fn read(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(name)).expect("the program has written the file")
}

#[tokio::test]
async fn exit_codes_mean_what_the_table_says() {
    assert_eq!(run(&shell("exit 0")).await, Ok(()));
    for code in [64, 65, 78] {
        let failure = run(&shell(&format!("echo no >&2; exit {code}"))).await;
        assert_eq!(failure, Err(Failure::permanent(format!("exit code {code}: no"))));
    }
    for code in [1, 2, 66, 124, 126, 127, 255] {
        let failure = run(&shell(&format!("exit {code}"))).await;
        assert_eq!(failure, Err(Failure::retry(format!("exit code {code}"))));
    }
    assert_eq!(run(&shell("exit 75")).await, Err(Failure::retry("asked to be tried again (exit code 75)")));
    assert_eq!(run(&shell("kill -9 $$")).await, Err(Failure::retry("killed by signal 9")));
}

#[tokio::test]
async fn the_task_is_on_stdin_and_in_the_environment() {
    let (command, directory) = in_directory("cat >in; env >env");
    let command = command.env("COLOUR", "green").expect("a good variable");
    let command = command.env("TASKWATCH_ATTEMPT", "99").expect("a good variable");
    assert_eq!(run(&command).await, Ok(()));
    let input: serde_json::Value = serde_json::from_str(&read(&directory, "in")).expect("stdin is JSON");
    assert_eq!(input["task_id"], 7);
    assert_eq!(input["idempotency_key"], "key-7");

    let environment = read(&directory, "env");
    let lines: Vec<&str> = environment.lines().collect();
    for line in [
        "TASKWATCH_TASK_ID=7",
        "TASKWATCH_ATTEMPT=2",
        "TASKWATCH_MAX_ATTEMPTS=5",
        "TASKWATCH_IDEMPOTENCY_KEY=key-7",
        "COLOUR=green",
    ] {
        assert!(lines.contains(&line), "{line} is missing from {environment}");
    }
    assert!(environment.contains(&format!("\nTRACEPARENT=00-{}-", testing::TRACE)), "{environment}");
}

/// Runs itself once more in an environment that holds settings.
#[tokio::test]
async fn own_settings_do_not_reach_the_program() {
    const SECRET: &str = "TASKWATCH_DATABASE_PASSWORD";
    if std::env::var_os(SECRET).is_none() {
        let again = std::process::Command::new(std::env::current_exe().expect("tests have a file"))
            .args(["--exact", "own_settings_do_not_reach_the_program", "--nocapture"])
            .envs([(SECRET, "hunter2"), ("TASKWATCH_ALLOWED", "no"), ("TRACEPARENT", "of somebody else")])
            .output()
            .expect("the test can be started");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    let (command, directory) = in_directory("env >env");
    let command = command.env("TASKWATCH_ALLOWED", "yes").expect("a good variable");
    let (task, mut attempt) = testing::attempt(7, 2);
    attempt.trace = None;
    assert_eq!(command.handle(&task, &attempt).await, Ok(()));
    let environment = read(&directory, "env");
    assert!(!environment.contains("hunter2") && !environment.contains("somebody else"), "{environment}");
    assert!(environment.contains("TASKWATCH_ALLOWED=yes") && environment.contains("PATH="), "{environment}");
}

#[tokio::test]
async fn the_end_of_stderr_is_the_reason() {
    let script = r"printf '\033[31mfirst\033[0m\001\n\n  second \377\n' >&2; exit 1";
    assert_eq!(run(&shell(script)).await, Err(Failure::retry("exit code 1: first | second \u{fffd}")));

    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
    let reason = run(&shell(script)).await.expect_err("it fails").reason;
    assert!(reason.starts_with("exit code 1: …") && reason.ends_with("line 1998 | line 1999"), "{reason}");
    assert_eq!(
        reason.chars().count(),
        "exit code 1: ".len() + 900,
        "the ledger would cut off more than 1,000: {reason}"
    );
}

#[tokio::test]
async fn a_program_can_say_when_to_try_again() {
    let failure = run(&shell("echo working; echo Retry-After: 90; echo busy >&2; exit 75")).await;
    let wait = Duration::from_secs(90);
    assert_eq!(failure, Err(Failure::retry_after(wait, "asked to be tried again (exit code 75): busy")));

    let failure = run(&shell("echo retry-after: 7days; exit 1")).await.expect_err("it fails");
    assert_eq!(failure.kind, FailureKind::Retry { after: Some(MAX_RETRY_AFTER) });

    let failure = run(&shell("echo retry-after: 90; exit 65")).await.expect_err("it fails");
    assert_eq!(failure.kind, FailureKind::Permanent, "a wish does not turn a permanent failure");

    let failure = run(&shell("echo retry-after: soon; exit 1")).await;
    assert_eq!(failure, Err(Failure::retry("exit code 1 (no duration: retry-after: soon)")));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_may_be_there_next_time() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let file = directory.path().join("program");
    let path = file.to_str().expect("the path is text").to_owned();
    let command = Command::new(vec![path.clone()], PATIENCE).expect("the command is good");
    let missing = run(&command).await.expect_err("it is missing");
    assert_eq!(missing.kind, FailureKind::NotBegun);
    assert!(
        missing.reason.starts_with(&path) && missing.reason.ends_with("install it or give its path"),
        "{missing:?}"
    );

    fs::write(&file, "#!/bin/sh\n").expect("the file can be written");
    let forbidden = run(&command).await.expect_err("it is not executable");
    assert_eq!(forbidden.kind, FailureKind::NotBegun);
    assert!(forbidden.reason.contains("make it executable"), "{forbidden:?}");
}

#[tokio::test]
async fn nobody_has_to_read_or_keep_open_what_the_handler_offers() {
    let (mut task, attempt) = testing::attempt(7, 2);
    task.description = Some("x".repeat(1_000_000));
    assert_eq!(shell("exit 0").handle(&task, &attempt).await, Ok(()), "stdin unread");
    assert_eq!(shell("exec <&-; exit 0").handle(&task, &attempt).await, Ok(()), "stdin closed");

    let closed = shell("exec >&- 2>&-; sleep 0.3; exit 65").handle(&task, &attempt).await;
    assert_eq!(closed, Err(Failure::permanent("exit code 65")), "outputs closed early");

    let late = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo >&2; wc -c >&2; exit 65";
    let reason = shell(late).handle(&task, &attempt).await.expect_err("it fails").reason;
    let size = taskwatch_json_length(&task);
    assert!(reason.ends_with(&size), "stdin read last: {} in {reason}", size);
}

/// The length of the input, without repeating how it is made: the description and what 7 and 2 cost around it.
fn taskwatch_json_length(task: &taskwatch_core::task::Task) -> String {
    let announcement = serde_json::to_string(task).expect("a task has JSON");
    (announcement.len() + r#","attempt":2,"max_attempts":5,"idempotency_key":"key-7""#.len() + 1).to_string()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn floods_are_read_and_dropped() {
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is listed");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number")
    };
    let before = peak();
    let flood = "yes | head -c 200000000; yes | head -c 200000000 >&2; echo the end >&2; exit 65";
    let failure = run(&shell(flood)).await.expect_err("it fails");
    assert!(failure.reason.ends_with("y | the end"), "{failure:?}");
    assert!(peak() - before < 50_000, "{} kB more", peak() - before);
}

/// Every process that the script starts holds the pipe `held` open: its end says that the last of them is dead.
struct Held(tokio::net::unix::pipe::Receiver, TempDir);

impl Held {
    /// The script runs after the pipe has been opened; it says `ready` on descriptor 9.
    fn by(script: &str, limit: Duration) -> (Command, Self) {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let path = directory.path().join("held");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo is installed");
        assert!(made.success());
        let receiver = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&path).expect("the pipe is there");
        let command = limited(&format!("exec 9>held; {script}"), limit).current_dir(directory.path());
        (command, Self(receiver, directory))
    }

    async fn wait(&self, until_ready: bool) {
        let mut heard = Vec::new();
        let listen = async {
            while until_ready != heard.ends_with(b"ready\n") || !until_ready {
                self.0.readable().await.expect("the pipe can be read");
                let mut buffer = [0; 64];
                match self.0.try_read(&mut buffer) {
                    // Before the script has opened it, the pipe looks like one that has ended.
                    Ok(0) if until_ready => tokio::time::sleep(Duration::from_millis(5)).await,
                    Ok(0) => return,
                    Ok(count) => heard.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(error) => panic!("the pipe cannot be read: {error}"),
                }
            }
        };
        let what = if until_ready { "be ready" } else { "be dead" };
        assert!(
            tokio::time::timeout(Duration::from_secs(20), listen).await.is_ok(),
            "the processes in {} should {what}, but are not",
            self.1.path().display()
        );
    }
}

/// A program, its child and its grandchild, none of which listens to reason.
const FAMILY: &str = "trap '' TERM INT HUP
    (trap '' TERM; (sleep 300; sleep 300) & echo ready >&9; sleep 300; sleep 300) &
    echo hanging >&2; sleep 300; sleep 300";

#[tokio::test]
async fn the_time_limit_kills_the_whole_family() {
    let (command, held) = Held::by(FAMILY, Duration::from_secs(2));
    let (outcome, ()) = tokio::join!(run(&command), held.wait(true));
    assert_eq!(outcome, Err(Failure::cut_off("killed at the time limit of 2s: hanging")));
    held.wait(false).await;
}

#[tokio::test]
async fn dropping_the_attempt_kills_the_whole_family() {
    let (command, held) = Held::by(FAMILY, PATIENCE);
    tokio::select! {
        outcome = run(&command) => panic!("it ended by itself: {outcome:?}"),
        () = held.wait(true) => {}
    }
    held.wait(false).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_dies_with_it() {
    let (command, held) = Held::by("(sleep 300; sleep 300) & echo late >&2; exit 65", PATIENCE);
    let outcome = tokio::time::timeout(Duration::from_secs(20), run(&command)).await;
    assert_eq!(outcome, Ok(Err(Failure::permanent("exit code 65: late"))));
    held.wait(false).await;
}

#[tokio::test]
async fn a_process_that_escaped_with_the_pipes_is_not_waited_for() {
    let script = "setsid sh -c 'echo up >up; exec sleep 25' &
        while ! [ -s up ]; do sleep 0.01; done; echo gone >&2; exit 65";
    let (command, directory) = in_directory(script);
    let outcome = tokio::time::timeout(Duration::from_secs(20), run(&command)).await;
    assert_eq!(outcome, Ok(Err(Failure::permanent("exit code 65: gone"))));
    assert!(Path::new(&directory.path().join("up")).exists());
}

#[test]
fn impossible_commands_are_refused() {
    let refused = |argv: &[&str]| {
        let argv = argv.iter().map(|&argument| argument.to_owned()).collect();
        Command::new(argv, PATIENCE).expect_err("the command is bad")
    };
    assert_eq!(refused(&[]), InvalidCommand::Empty);
    assert_eq!(refused(&[""]), InvalidCommand::Empty);
    assert_eq!(
        refused(&["a", "b\0c"]).to_string(),
        "argument 1 of the command holds a NUL byte, which cannot be passed to a program"
    );
    assert_eq!(Command::new(vec!["a".to_owned()], Duration::ZERO).expect_err("no time"), InvalidCommand::NoTime);
    for name in ["", "A=B", "A\0"] {
        assert_eq!(shell("").env(name, "").expect_err("a bad name"), InvalidCommand::Name(name.into()));
    }
    assert!(matches!(shell("").env("A", "\0"), Err(InvalidCommand::Nul(_))));
}

#[test]
fn arguments_and_values_are_not_in_the_debug_output() {
    let command = shell("curl -H 'Authorization: hunter2'").env("TOKEN", "hunter3").expect("a good variable");
    let debug = format!("{command:?}");
    assert!(debug.contains("\"sh\"") && debug.contains("TOKEN") && !debug.contains("hunter"), "{debug}");
}

/// Runs itself once more, and kills that.
#[tokio::test]
async fn no_program_outlives_a_taskwatch_that_is_killed() {
    const FILE: &str = "TEST_FILE_OF_IDS";
    if let Some(file) = std::env::var_os(FILE) {
        // One that has ended, and one with a child that goes on.
        assert_eq!(run(&shell("exit 0")).await, Ok(()));
        let hangs = shell("sleep 600 & echo $$ $! >$IDS.new; mv $IDS.new $IDS; sleep 600");
        let hangs = hangs.env("IDS", file).expect("a good variable");
        panic!("it ended: {:?}", run(&hangs).await);
    }
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let file = directory.path().join("ids");
    let mut again = std::process::Command::new(std::env::current_exe().expect("tests have a file"))
        .args(["--exact", "no_program_outlives_a_taskwatch_that_is_killed"])
        .env(FILE, &file)
        .spawn()
        .expect("the test can be started");
    let ids = until(|| fs::read_to_string(&file).ok()).await;
    let ids: Vec<&str> = ids.split_whitespace().collect();
    let is_alive = |id: &&&str| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    assert_eq!(ids.iter().filter(is_alive).count(), 2);
    again.kill().expect("it is a child");
    again.wait().expect("it is a child");
    until(|| (ids.iter().filter(is_alive).count() == 0).then_some(())).await;
}

async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
