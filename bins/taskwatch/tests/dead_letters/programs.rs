//! The programs: this package's own, and those of others, which cargo builds for no test of ours by itself.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::PATIENCE;

/// `taskwatch`.
pub(crate) const TASKWATCH: &str = env!("CARGO_BIN_EXE_taskwatch");

/// `taskwatch-worker`, built as this test was, beside it.
pub(crate) fn worker() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("taskwatch-worker", "taskwatch-worker"))
}

/// The Lambda function.
pub(crate) fn function() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("taskwatch-lambda", "bootstrap"))
}

/// Has cargo build a program; a moment, if nothing has changed since the last time.
fn build(package: &str, program: &str) -> PathBuf {
    // This test is in `deps`, below what cargo builds for people.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package, "--bin", program, "--profile", profile])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "cargo cannot build {package}");
    let said = String::from_utf8(built.stdout).unwrap();
    let named = said.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(line["executable"].as_str()?))
    });
    named.unwrap_or_else(|| panic!("cargo names no {program}: {said}"))
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// It has ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// What it said with `--json`, without the summary.
    pub(crate) fn letters(&self) -> Vec<Value> {
        let lines = self.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line.get("summary").is_none()).collect()
    }

    /// How many letters have met this fate; with `--json`.
    pub(crate) fn fates(&self, fate: &str) -> usize {
        self.letters().iter().filter(|letter| letter["fate"] == fate).count()
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "{words}: {}{}", self.stdout, self.stderr);
        self
    }
}

/// A program under way. It is killed with the value.
pub(crate) struct Running {
    child: Child,
    /// Both of its outputs, line by line: a handler of its that lives on holds up nobody.
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![read(stdout, &said), read(stderr, &said)];
        Self { child, said, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has said so this many times, or has ended. Answers whether it still runs.
    pub(crate) fn says(&mut self, words: &str, times: usize) -> bool {
        let begun = Instant::now();
        while self.said().matches(words).count() < times {
            if !self.is_alive() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not say {words}: {}", self.said());
            thread::sleep(std::time::Duration::from_millis(2));
        }
        self.is_alive()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits for its end.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        (code, self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: impl std::io::Read + Send + 'static, said: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    })
}
