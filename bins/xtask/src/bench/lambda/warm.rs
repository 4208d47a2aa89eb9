//! Warm batches: of functions that run already, and what they have in memory.

use anyhow::{Context, Result};

use super::super::figures::{Line, Measured as _, Samples, Spread, Unit, mebibytes};
use super::super::tasks::{Rows, Tasks};
use super::event;
use super::function::{Function, Recipe};
use super::subject::Who;

/// So many batches of one function in a row, before it is another's turn.
const TURN: usize = 20;

/// What the batches are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) size: usize,
    pub(super) rows: Rows,
}

impl Case {
    /// The first is the one that the aims speak of.
    pub(super) const ALL: [Self; 8] = [
        Self::new(10, Rows::Python),
        Self::new(10, Rows::Taskwatch),
        Self::new(1, Rows::Python),
        Self::new(1, Rows::Taskwatch),
        Self::new(100, Rows::Python),
        Self::new(100, Rows::Taskwatch),
        Self::new(1_000, Rows::Python),
        Self::new(1_000, Rows::Taskwatch),
    ];

    const fn new(size: usize, rows: Rows) -> Self {
        Self { size, rows }
    }

    pub(super) fn name(self) -> String {
        format!("batch of {}, rows {}", self.size, self.rows.name())
    }

    /// Whether it is of interest.
    pub(super) fn is_for(self, who: Who) -> bool {
        match who {
            Who::Bare => self.size == 10 && self.rows == Rows::Python,
            Who::Powertools => self.size == 10,
            Who::Floor | Who::Taskwatch => true,
        }
    }

    /// Big ones are measured less often.
    fn batches(self, batches: usize) -> usize {
        (batches * 10 / self.size.max(10)).max(3)
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Warm {
    pub(super) batches: Vec<Line<Who>>,
    pub(super) memory: Vec<Line<Who>>,
}

pub(super) fn cpu_of(case: Case) -> String {
    format!("{}, CPU", case.name())
}

pub(super) fn wall_of(case: Case) -> String {
    format!("{}, wall", case.name())
}

pub(super) const PEAK: &str = "peak, with batches of 10";

/// So many batches of each kind for each function, which take turns; a first turn does not count.
pub(super) fn measure(tasks: &Tasks<'_>, recipes: &[(Who, Recipe)], batches: usize) -> Result<Warm> {
    let mut functions = Vec::new();
    let mut memory = Samples::default();
    for (who, recipe) in recipes {
        let function = Function::start(recipe, None).with_context(|| format!("{} does not start", who.name()))?;
        remember(&mut memory, "after init", *who, function.memory()?.now);
        functions.push((*who, function));
    }
    let mut samples = Samples::default();
    for (number, case) in Case::ALL.into_iter().enumerate() {
        let mut left = case.batches(batches);
        let concerned = |functions: &mut Vec<(Who, Function)>, count, samples: &mut Samples<Who>| {
            let concerned = functions.iter_mut().filter(|(who, _)| case.is_for(*who));
            concerned.into_iter().try_for_each(|(who, function)| {
                turn(tasks, *who, function, case, count, samples)
                    .with_context(|| format!("{}: {}", who.name(), case.name()))
            })
        };
        concerned(&mut functions, left.min(TURN).div_ceil(2), &mut Samples::default())?;
        while left > 0 {
            let now = left.min(TURN);
            concerned(&mut functions, now, &mut samples)?;
            left -= now;
        }
        for (who, function) in &functions {
            if number == 1 {
                remember(&mut memory, PEAK, *who, function.memory()?.peak);
            } else if number + 1 == Case::ALL.len() && case.is_for(*who) {
                remember(&mut memory, "peak, with batches of 1000", *who, function.memory()?.peak);
            }
        }
    }
    Ok(Warm { batches: samples.lines(99), memory: memory.lines(90) })
}

fn turn(
    tasks: &Tasks<'_>,
    who: Who,
    function: &mut Function,
    case: Case,
    count: usize,
    samples: &mut Samples<Who>,
) -> Result<()> {
    let ids = tasks.add(case.size * count, case.rows)?;
    let events = ids.chunks(case.size).map(event::batch).collect::<Vec<_>>();
    // A look at the memory of the function, or what else has passed since, belongs to no batch: its CPU time is taken
    // from the moment when an event is given until the next one is asked for.
    for event in &events {
        let invocation = function.invoke(event)?;
        samples.took(&cpu_of(case), who, invocation.ready.cpu - invocation.given.cpu);
        samples.took(&wall_of(case), who, invocation.answered.at - invocation.given.at);
    }
    if who.works() { tasks.insist_on_completed(&ids) } else { Ok(()) }
}

fn remember(memory: &mut Samples<Who>, line: &str, who: Who, bytes: u64) {
    memory.note(line, Unit::Mebibytes, who, mebibytes(bytes));
}

/// A size that is what it is.
pub(super) fn size(bytes: u64) -> Spread {
    Spread::exactly(mebibytes(bytes))
}
