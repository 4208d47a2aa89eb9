//! Round trips to the database, and statements: in a pass of its own, behind a proxy that counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::event;
use super::figures::{Line, Samples, Spread, Unit};
use super::function::Function;
use super::proxy::Proxy;
use super::subject::{Subject, Who};
use super::tasks::Tasks;
use super::warm::Case;

/// Batches of each kind; the worst of them counts.
const BATCHES: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) lines: Vec<Line>,
    /// The statements of the last batch of ten, by kind.
    pub(super) kinds: BTreeMap<Who, String>,
}

pub(super) fn trips_of(case: Case) -> String {
    format!("{}, round trips", case.name())
}

/// Counts for everybody who works.
pub(super) fn count(tasks: &Tasks<'_>, subjects: &[Subject]) -> Result<Counted> {
    let own = own_statements(tasks)?;
    let server = SocketAddr::from((tasks.server.host(), tasks.server.port()));
    let (mut samples, mut kinds) = (Samples::default(), BTreeMap::new());
    for subject in subjects.iter().filter(|subject| subject.who.works()) {
        let who = subject.who;
        let proxy = Proxy::before(server)?;
        let recipe = subject.recipe(tasks, proxy.address.port());
        let before = tasks.statements()?;
        let mut function = Function::start(&recipe, None).with_context(|| format!("{} does not start", who.name()))?;
        let init = proxy.count();
        note(&mut samples, "init, connections", who, init.connections);
        note(&mut samples, "init, round trips with the handshakes", who, init.trips);
        note(&mut samples, "init, statements", who, total(&since(&before, &tasks.statements()?, &own)));
        for case in Case::ALL.into_iter().filter(|case| case.is_for(who)) {
            for _ in 0..BATCHES {
                let ids = tasks.add(case.size, case.rows)?;
                let (before, trips) = (tasks.statements()?, proxy.count());
                function.invoke(&event::batch(&ids)).with_context(|| format!("{}: {}", who.name(), case.name()))?;
                let trips = proxy.count() - trips;
                let statements = since(&before, &tasks.statements()?, &own);
                tasks.insist_on_completed(&ids)?;
                note(&mut samples, &trips_of(case), who, trips.trips);
                note(&mut samples, &format!("{}, statements", case.name()), who, total(&statements));
                if case.size == 10 {
                    kinds.insert(who, told(&statements));
                }
            }
        }
    }
    let mut lines = samples.lines(100);
    for value in lines.iter_mut().flat_map(|line| line.values.values_mut()) {
        *value = Spread { samples: value.samples, ..Spread::exactly(value.high.unwrap_or(value.median)) };
    }
    Ok(Counted { lines, kinds })
}

type Statements = Vec<(String, u64)>;

/// What asking costs by itself.
fn own_statements(tasks: &Tasks<'_>) -> Result<Statements> {
    let before = tasks.statements()?;
    Ok(since(&before, &tasks.statements()?, &Vec::new()))
}

/// What was run between two looks, beside what looking costs.
fn since(before: &Statements, after: &Statements, own: &Statements) -> Statements {
    let known = |statements: &Statements, name: &str| {
        statements.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    };
    let counted = after.iter().map(|(name, count)| {
        let count = count.saturating_sub(known(before, name)).saturating_sub(known(own, name));
        (name.clone(), count)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

fn total(statements: &Statements) -> u64 {
    statements.iter().find(|(name, _)| name == "Questions").map_or(0, |(_, count)| *count)
}

fn told(statements: &Statements) -> String {
    let kinds = statements.iter().filter(|(name, _)| name != "Questions");
    kinds.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn note(samples: &mut Samples, line: &str, who: Who, count: u64) {
    samples.note(line, Unit::Number, who, count as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looking_costs_does_not_count() {
        let look = |questions, update| vec![("Questions".to_owned(), questions), ("update".to_owned(), update)];
        let own = vec![("Questions".to_owned(), 1)];
        let seen = since(&look(10, 4), &look(13, 6), &own);
        assert_eq!((total(&seen), told(&seen).as_str()), (2, "update 2"));
    }
}
