//! The states table and diagram, found out by asking the transition function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::ledger::{LedgerEntry, Origin, Source};
use crate::metric::counts;
use crate::task::{LeaseToken, Status, TaskId, TaskState};
use crate::time::Timestamp;
use crate::transition::{Event, EventKind, Then, transition};

const NOW: Timestamp = Timestamp::from_micros(1_000);
const LATER: Timestamp = Timestamp::from_micros(2_000);
const TOKEN: LeaseToken = LeaseToken::from_stored(1);
const OTHER_TOKEN: LeaseToken = LeaseToken::from_stored(2);

/// A row of the table.
struct Line {
    label: String,
    /// The statuses that the event leads to, by the status that it starts from.
    cells: BTreeMap<Option<Status>, BTreeSet<Status>>,
    /// Why it can be refused in these very statuses.
    refusals: BTreeSet<String>,
    metrics: BTreeSet<String>,
}

/// What `core/states.md` must say: a Mermaid diagram, and a table of every event in every status.
#[must_use]
pub fn states_markdown() -> String {
    let lines: Vec<_> = EventKind::ALL.into_iter().flat_map(lines_of).collect();
    let mut text = String::from("<!-- Written by `cargo xtask generate` from core/src/transition.rs. -->\n\n");
    diagram(&mut text, &lines);
    text.push_str(
        "\n`Adopted` and `Overwritten` are left out of the diagram: they follow whatever another program has written.\n\n",
    );
    table(&mut text, &lines);
    text
}

fn diagram(text: &mut String, lines: &[Line]) {
    let mut arrows: BTreeMap<(Option<Status>, Status), Vec<&str>> = BTreeMap::new();
    for line in lines.iter().filter(|line| !["Adopted", "Overwritten"].contains(&line.label.as_str())) {
        for (from, targets) in &line.cells {
            for to in targets {
                arrows.entry((*from, *to)).or_default().push(&line.label);
            }
        }
    }
    text.push_str("```mermaid\nstateDiagram-v2\n    state \"In Progress\" as InProgress\n");
    for ((from, to), labels) in arrows {
        let from = from.map_or("[*]".to_owned(), |status| format!("{status:?}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {from} --> {to:?}: {}", labels.join(", "));
    }
    for status in Status::ALL.into_iter().filter(|status| status.is_absorbing()) {
        let _ = writeln!(text, "    {status:?} --> [*]");
    }
    text.push_str("```\n");
}

fn table(text: &mut String, lines: &[Line]) {
    text.push_str("| Event | no task yet |");
    for status in Status::ALL {
        let _ = write!(text, " {status} |");
    }
    text.push_str(" may still be refused | counts |\n|---|---|---|---|---|---|---|---|---|\n");
    for line in lines {
        let _ = write!(text, "| {} |", line.label);
        for from in starts() {
            let cell = line.cells.get(&from).map_or("–".to_owned(), join);
            let _ = write!(text, " {cell} |");
        }
        let refusals = if line.refusals.is_empty() { "–".to_owned() } else { join(&line.refusals) };
        let _ = writeln!(text, " {refusals} | {} |", join(&line.metrics));
    }
}

fn join<T: ToString>(items: &BTreeSet<T>) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn starts() -> impl Iterator<Item = Option<Status>> {
    std::iter::once(None).chain(Status::ALL.map(Some))
}

/// One row, or two where the event leaves open what follows.
fn lines_of(kind: EventKind) -> Vec<Line> {
    let line = |label: String, then: Then| {
        let mut line = Line { label, cells: BTreeMap::new(), refusals: BTreeSet::new(), metrics: BTreeSet::new() };
        for from in starts() {
            line.ask(kind, then, from);
        }
        line
    };
    let (retry, give_up) = (Then::Retry { due: LATER }, Then::GiveUp { now: NOW });
    match kind {
        EventKind::Failed | EventKind::Abandoned => {
            vec![line(format!("{kind} (retry)"), retry), line(format!("{kind} (give up)"), give_up)]
        }
        _ => vec![line(kind.to_string(), retry)],
    }
}

impl Line {
    /// Tries the event on a task in this status, with data that fit and data that do not.
    fn ask(&mut self, kind: EventKind, then: Then, from: Option<Status>) {
        let mut refusals = BTreeSet::new();
        for due in [NOW, LATER] {
            let state = from.map(|status| TaskState { status, attempt: 1, due, lease: Some(TOKEN) });
            for event in events(kind, then) {
                match transition(state.as_ref(), &event) {
                    Ok(after) => {
                        self.cells.entry(from).or_default().insert(after.status);
                        self.metrics
                            .extend(entry(kind, from, &after).iter().flat_map(counts).map(|metric| metric.to_string()));
                    }
                    Err(why) => {
                        refusals.insert(why.to_string());
                    }
                }
            }
        }
        if self.cells.contains_key(&from) {
            self.refusals.extend(refusals);
        }
    }
}

fn events(kind: EventKind, then: Then) -> Vec<Event> {
    let tokens = |event: fn(LeaseToken) -> Event| [TOKEN, OTHER_TOKEN].map(event).to_vec();
    match kind {
        EventKind::Added => vec![Event::Added { due: NOW }],
        EventKind::Adopted => Status::ALL.map(|status| Event::Adopted { status, due: NOW }).to_vec(),
        EventKind::Overwritten => Status::ALL.map(|status| Event::Overwritten { status, due: NOW }).to_vec(),
        EventKind::Started => tokens(|token| Event::Started { token, now: NOW, lease_until: LATER }),
        EventKind::Completed => tokens(|token| Event::Completed { token, now: NOW }),
        EventKind::Failed => [TOKEN, OTHER_TOKEN].map(|token| Event::Failed { token, then }).to_vec(),
        EventKind::Abandoned => vec![Event::Abandoned { now: NOW, then }],
        EventKind::Released => tokens(|token| Event::Released { token, due: LATER }),
        EventKind::Cancelled => vec![Event::Cancelled { now: NOW }],
        EventKind::Replayed => vec![Event::Replayed { due: NOW }],
    }
}

/// The entry that the ledger would hold.
fn entry(event: EventKind, from: Option<Status>, after: &TaskState) -> Option<LedgerEntry> {
    Some(LedgerEntry {
        task: TaskId::try_from(1).ok()?,
        seq: 1,
        event,
        from,
        to: after.status,
        attempt: after.attempt,
        due: after.due,
        lease: after.lease,
        at: NOW,
        origin: Origin::new(Source::Local, "diagram"),
        reason: None,
        trace: None,
    })
}
