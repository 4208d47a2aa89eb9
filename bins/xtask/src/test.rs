//! `cargo xtask test`: every check and every test, with all that they need.

use std::process::Command;

use anyhow::{Result, anyhow};
use taskwatch_testbed::{Aws, ENV_AWS, ENV_MARIADB, ENV_PYTHON};

use crate::steps::Steps;
use crate::workspace::{Workspace, quiet, run as run_command};
use crate::{core_lint, debian, fuzz, generate, mariadb, python};

/// Seconds. Enough for what any change breaks badly; to look longer, `cargo xtask fuzz`.
const FUZZING: u32 = 15;

/// The tests of the program with what the AWS SDK adds, beside those that it has without.
const WITH_AWS: [&str; 12] = [
    "--package",
    "taskwatch",
    "--features",
    "aws",
    "--test",
    "announcing",
    "--test",
    "dead_letters",
    "--test",
    "dlq",
    "--test",
    "serve",
];

/// Packages of the programs that those tests start.
const OTHERS: [&str; 2] = ["taskwatch-lambda", "taskwatch-worker"];

/// Runs the steps; the first that fails ends it.
pub(crate) fn run(workspace: &Workspace, quick: bool, arguments: &[String]) -> Result<()> {
    let mut steps = Steps::begin();
    let cargo = |words: &[&str]| workspace.cargo(words.iter().copied().chain(quiet()));

    steps.step("Debian packages", debian::ensure_programs)?;
    let python = steps.step("Python packages", || python::ensure(workspace))?;
    if !quick {
        steps.step("format", || run_command(&mut workspace.cargo(["fmt", "--all", "--check"])))?;
    }
    steps.step("generated files", || generate::run(workspace, true))?;
    steps.step("core does no I/O", || core_lint::run(workspace))?;
    if !quick {
        let clippy = cargo(&["clippy", "--workspace", "--all-targets"]);
        steps.step("clippy", || run_command(&mut deny_warnings(clippy)))?;
        // Above, features are those of the whole workspace: here, those that a single program is built with.
        let clippy = cargo(&["clippy", "--package", "taskwatch", "--all-targets"]);
        steps.step("clippy, the program alone", || run_command(&mut deny_warnings(clippy)))?;
        let clippy = cargo(&["clippy", "--package", "taskwatch-lambda", "--no-default-features"]);
        steps.step("clippy, the least function", || run_command(&mut deny_warnings(clippy)))?;
        let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
        steps.step("documentation", || run_command(doc.env("RUSTDOCFLAGS", "-Dwarnings")))?;
    }
    let runs = runs(arguments);
    steps.step("build tests", || {
        runs.iter().try_for_each(|words| run_command(cargo(&["test", "--no-run"]).args(words)))?;
        // Which the program's tests start as well; they would build them by themselves, each alone.
        let others = if runs.iter().any(|words| words.starts_with(&WITH_AWS)) { &OTHERS[..] } else { &[] };
        others.iter().try_for_each(|package| run_command(&mut cargo(&["build", "--package", package])))
    })?;
    let server = steps.step("start MariaDB", mariadb::start)?;
    let aws =
        steps.step("start MiniStack", || Aws::start_with(&python).map_err(|error| anyhow!("failed to {error}")))?;
    steps.step("tests", || {
        runs.iter().try_for_each(|words| {
            let mut tests = workspace.cargo(["test"]);
            tests.args(words).env(ENV_MARIADB, server.handover());
            run_command(tests.env(ENV_AWS, aws.handover()).env(ENV_PYTHON, &python))
        })
    })?;
    if arguments.is_empty() {
        steps.step("fuzzing", || fuzz::run(workspace, FUZZING, None))?;
    }
    eprintln!("\n{}", steps.summary());
    Ok(())
}

fn deny_warnings(mut clippy: Command) -> Command {
    clippy.args(["--", "-Dwarnings"]);
    clippy
}

/// What is passed on to `cargo test`, run by run: what the user names, or everything. The program is tested as it is built
/// by default, which in the company of the others it is not, and then with what the AWS SDK adds.
fn runs(arguments: &[String]) -> Vec<Vec<&str>> {
    let names_packages = arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let runs: &[&[&str]] = if names_packages {
        &[&[]]
    } else {
        &[&["--workspace", "--exclude", "taskwatch"], &["--package", "taskwatch"], &WITH_AWS]
    };
    runs.iter().map(|run| run.iter().copied().chain(arguments.iter().map(String::as_str)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_of(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        runs(&arguments).into_iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn everything_is_tested_unless_packages_are_named() {
        let all = runs_of(&[]);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].as_str(), all[1].as_str()), ("--workspace --exclude taskwatch", "--package taskwatch"));
        assert!(runs_of(&["a_test"]).iter().all(|words| words.ends_with(" a_test")));
        assert_eq!(runs_of(&["-p", "x"]), ["-p x"]);
        assert_eq!(runs_of(&["--package=x", "--", "a_test"]), ["--package=x -- a_test"]);
        assert_eq!(runs_of(&["--", "-p"]).len(), 3);
    }
}
