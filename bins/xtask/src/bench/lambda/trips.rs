//! Round trips to the database, and statements: in a pass of its own, behind a proxy that counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::super::figures::{Line, Measured as _, Samples, Spread, Unit};
use super::super::statements::{own_statements, since, told, total};
use super::super::tasks::Tasks;
use super::event;
use super::function::Function;
use super::proxy::Proxy;
use super::subject::{Subject, Who};
use super::warm::Case;

/// Batches of each kind; the worst of them counts.
const BATCHES: usize = 3;

/// What came of it.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) lines: Vec<Line<Who>>,
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

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn note(samples: &mut Samples<Who>, line: &str, who: Who, count: u64) {
    samples.note(line, Unit::Number, who, count as f64);
}
