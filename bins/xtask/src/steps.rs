//! Steps that are announced, timed, and summed up at the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A run of steps, which ends at the first that fails.
#[derive(Debug)]
pub(crate) struct Steps {
    begun: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), done: Vec::new() }
    }

    /// Announces a step, runs it and notes how long it took; an error names the step.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("==> {name}");
        let begun = Instant::now();
        let result = work().with_context(|| format!("step \"{name}\" failed"))?;
        self.done.push((name, begun.elapsed()));
        Ok(result)
    }

    /// A line for each step, and the sum.
    pub(crate) fn summary(&self) -> String {
        let width = self.done.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let line = |name: &str, took: Duration| format!("  ok  {name:width$}  {:7.1} s\n", took.as_secs_f64());
        let mut text: String = self.done.iter().map(|(name, took)| line(name, *took)).collect();
        let total = self.begun.elapsed().as_secs_f64();
        text.push_str(&format!("All {} steps passed in {total:.1} s.", self.done.len()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_not_counted() {
        let mut steps = Steps::begin();
        assert_eq!(steps.step("good", || Ok(7)).expect("it is good"), 7);
        let error = steps.step::<()>("bad", || anyhow::bail!("no luck")).expect_err("it is bad");
        assert_eq!(format!("{error:#}"), "step \"bad\" failed: no luck");
        let summary = steps.summary();
        assert!(summary.contains("ok  good") && summary.contains("All 1 steps"), "{summary}");
        assert!(!summary.contains("bad"), "{summary}");
    }
}
