//! Cold starts: from the start of a process to its first request, and to the answer to its first batch.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::super::figures::{Line, Measured as _, Samples};
use super::super::tasks::{Rows, Tasks};
use super::event;
use super::function::{Function, Recipe};
use super::runtime_api::Moment;
use super::subject::Who;

/// As the event source mapping gives by default.
const BATCH: usize = 10;

pub(super) const FIRST_CPU: &str = "init and first batch, CPU";

/// Starts each function so often, taking turns, after one start that does not count.
pub(super) fn measure(tasks: &Tasks<'_>, functions: &[(Who, Recipe, usize)]) -> Result<Vec<Line<Who>>> {
    let rounds = functions.iter().map(|(_, _, runs)| *runs).max().unwrap_or(0);
    let mut samples = Samples::default();
    for (who, recipe, _) in functions {
        once(tasks, *who, recipe).with_context(|| format!("{} cannot be measured", who.name()))?;
    }
    for round in 0..rounds {
        for (who, recipe, runs) in functions.iter().filter(|(_, _, runs)| is_due(round, *runs, rounds)) {
            let (function, answered) = once(tasks, *who, recipe)
                .with_context(|| format!("{} failed in round {} of {runs}", who.name(), round + 1))?;
            samples.took("init, CPU", *who, function.ready.cpu);
            samples.took("init, wall", *who, function.ready.at - function.started);
            samples.took(FIRST_CPU, *who, answered.cpu);
            samples.took("init and first batch, wall", *who, answered.at - function.started);
        }
    }
    Ok(samples.lines(90))
}

fn once(tasks: &Tasks<'_>, who: Who, recipe: &Recipe) -> Result<(Function, Moment)> {
    let ids = tasks.add(BATCH, Rows::Python)?;
    let event: Arc<str> = event::batch(&ids);
    let mut function = Function::start(recipe, Some(&event))?;
    let invocation = function.answer()?;
    if who.works() {
        tasks.insist_on_completed(&ids)?;
    }
    Ok((function, invocation.answered))
}

/// Spreads few runs over many rounds.
const fn is_due(round: usize, runs: usize, rounds: usize) -> bool {
    (round + 1) * runs / rounds > round * runs / rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_runs_are_spread_over_all_rounds() {
        let due = |runs| (0..40).filter(|round| is_due(*round, runs, 40)).collect::<Vec<_>>();
        assert_eq!((due(40).len(), due(15).len(), due(0).len()), (40, 15, 0));
        assert!(due(15).windows(2).all(|pair| pair[1] - pair[0] <= 3));
    }
}
