//! `cargo xtask test`: every check and every test, with all that they need.

use std::process::Command;

use anyhow::{Result, anyhow};
use taskwatch_testbed::{Aws, ENV_AWS, ENV_MARIADB, ENV_PYTHON};

use crate::steps::Steps;
use crate::workspace::{Workspace, quiet, run as run_command};
use crate::{core_lint, debian, fuzz, generate, mariadb, python};

/// Seconds. Enough for what any change breaks badly; to look longer, `cargo xtask fuzz`.
const FUZZING: u32 = 15;

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
    steps.step("build tests", || run_command(cargo(&["test", "--no-run"]).args(chosen(arguments))))?;
    let server = steps.step("start MariaDB", mariadb::start)?;
    let aws =
        steps.step("start MiniStack", || Aws::start_with(&python).map_err(|error| anyhow!("failed to {error}")))?;
    steps.step("tests", || {
        let mut tests = workspace.cargo(["test"]);
        tests.args(chosen(arguments)).env(ENV_MARIADB, server.handover());
        tests.env(ENV_AWS, aws.handover()).env(ENV_PYTHON, &python);
        run_command(&mut tests)
    })?;
    if arguments.is_empty() {
        let mut tests = cargo(&["test", "--package", "taskwatch", "--features", "aws"]);
        tests.args(["--test", "announcing", "--test", "serve"]).env(ENV_MARIADB, server.handover());
        tests.env(ENV_AWS, aws.handover()).env(ENV_PYTHON, &python);
        steps.step("tests of the program with the AWS SDK", || run_command(&mut tests))?;
        steps.step("fuzzing", || fuzz::run(workspace, FUZZING, None))?;
    }
    eprintln!("\n{}", steps.summary());
    Ok(())
}

fn deny_warnings(mut clippy: Command) -> Command {
    clippy.args(["--", "-Dwarnings"]);
    clippy
}

/// The whole workspace, unless the user names packages.
fn chosen(arguments: &[String]) -> Vec<&str> {
    let names_packages = arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let all = (!names_packages).then_some("--workspace");
    all.into_iter().chain(arguments.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_of(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        chosen(&arguments).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn everything_is_tested_unless_packages_are_named() {
        assert_eq!(chosen_of(&[]), ["--workspace"]);
        assert_eq!(chosen_of(&["a_test"]), ["--workspace", "a_test"]);
        assert_eq!(chosen_of(&["-p", "x"]), ["-p", "x"]);
        assert_eq!(chosen_of(&["--package=x", "--", "a_test"]), ["--package=x", "--", "a_test"]);
        assert_eq!(chosen_of(&["--", "-p"]), ["--workspace", "--", "-p"]);
    }
}
