//! A function as Lambda runs it: a process that asks for invocations.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::super::machine::{self, Memory};
use super::runtime_api::{Moment, RuntimeApi, Sign};

/// No batch takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether the process still runs.
const LOOK: Duration = Duration::from_millis(500);

/// How to start one.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// All that it is told; it inherits nothing.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// One that runs.
#[derive(Debug)]
pub(super) struct Function {
    child: Child,
    api: RuntimeApi,
    log: PathBuf,
    /// Just before it was started.
    pub(super) started: Instant,
    /// When it first asked for an invocation.
    pub(super) ready: Moment,
}

/// One batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invocation {
    pub(super) given: Moment,
    pub(super) answered: Moment,
    /// When it asked for the next one.
    pub(super) ready: Moment,
}

impl Function {
    /// Starts one and waits until it is ready. The event, where there is one, lies ready for it: then
    /// [`Function::answer`] is to come next.
    pub(super) fn start(recipe: &Recipe, event: Option<&Arc<str>>) -> Result<Self> {
        let api = RuntimeApi::start()?;
        if let Some(event) = event {
            api.give(event)?;
        }
        let log = recipe.folder.join("log");
        let output = File::create(&log).context("failed to create the log of a function")?;
        let (program, arguments) = recipe.command.split_first().context("a function without a program")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&recipe.folder).env_clear();
        command.envs(recipe.variables.iter().map(|(name, value)| (name, value)));
        command.env("AWS_LAMBDA_RUNTIME_API", api.address.to_string());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let child = command.spawn().context("failed to start a function")?;
        // Complete from here on, so that whatever fails ends the process.
        let now = Moment { at: started, cpu: Duration::ZERO };
        let mut function = Self { child, api, log, started, ready: now };
        function.api.watch(function.child.id())?;
        function.ready = function.until_ready()?;
        Ok(function)
    }

    /// Works one event.
    pub(super) fn invoke(&mut self, event: &Arc<str>) -> Result<Invocation> {
        self.api.give(event)?;
        self.answer()
    }

    /// Waits for the answer to an event, which must name no failure, and until the function is ready again.
    pub(super) fn answer(&mut self) -> Result<Invocation> {
        let Sign::Given(given) = self.sign()? else { bail!("the function does not take its event") };
        let answered = match self.sign()? {
            Sign::Answered { moment, succeeded: true, body } => {
                without_failures(&body).with_context(|| self.said())?;
                moment
            }
            other => bail!("the function does not answer but says {other:?}; {}", self.said()),
        };
        Ok(Invocation { given, answered, ready: self.until_ready()? })
    }

    fn until_ready(&mut self) -> Result<Moment> {
        match self.sign()? {
            Sign::Ready(moment) => Ok(moment),
            other => bail!("the function does not get ready but says {other:?}; {}", self.said()),
        }
    }

    fn sign(&mut self) -> Result<Sign> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.api.sign(LOOK)? {
                Some(Sign::Failed(why)) => bail!("the function failed: {why}; {}", self.said()),
                Some(sign) => return Ok(sign),
                None => {
                    let ended = self.child.try_wait().context("failed to watch the function")?;
                    ensure!(ended.is_none(), "the function ended; {}", self.said());
                }
            }
        }
        bail!("the function did nothing for {PATIENCE:?}; {}", self.said())
    }

    fn said(&self) -> String {
        machine::said(&self.log)
    }

    /// What it has in memory, and the most that it ever had.
    pub(super) fn memory(&self) -> Result<Memory> {
        machine::memory(self.child.id())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It waits for an invocation, or is of no use.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn without_failures(body: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(body).with_context(|| format!("the answer is no JSON: {body}"))?;
    let failures = answer.get("batchItemFailures").and_then(Value::as_array);
    ensure!(failures.is_some_and(Vec::is_empty), "the answer names failures, or is none: {body}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_batch_without_failures_will_do() {
        without_failures(r#"{"batchItemFailures":[]}"#).unwrap();
        for wrong in [r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#, "{}", "null", r#"{"statusCode":500}"#, ""] {
            assert!(without_failures(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_function_that_ends_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let command = ["/bin/sh", "-c", "echo no luck; exit 1"].map(OsString::from).to_vec();
        let recipe = Recipe { command, folder: folder.path().to_owned(), variables: Vec::new() };
        let error = Function::start(&recipe, None).expect_err("it ends").to_string();
        assert!(error.contains("the function ended") && error.contains("no luck"), "{error}");
    }
}
