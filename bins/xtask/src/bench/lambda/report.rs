//! What is printed, and what is written for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::cold::FIRST_CPU;
use super::figures::{Line, Spread};
use super::subject::Who;
use super::trips::trips_of;
use super::warm::{Case, PEAK, cpu_of, wall_of};

/// All that was measured in one run.
#[derive(Debug)]
pub(super) struct Report {
    /// What it was measured on and with, a line each.
    pub(super) circumstances: Vec<String>,
    pub(super) sections: Vec<Section>,
    pub(super) kinds: BTreeMap<Who, String>,
}

/// Lines that belong together.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

/// What a figure is to be, as the issue that asked for it says.
struct Aim {
    name: String,
    /// As measured; `None` if it was not.
    figure: Option<f64>,
    bound: f64,
    at_least: bool,
}

impl Aim {
    fn is_met(&self) -> bool {
        self.figure.is_some_and(|figure| if self.at_least { figure >= self.bound } else { figure <= self.bound })
    }
}

impl Report {
    fn line(&self, name: &str) -> Option<&Line> {
        self.sections.iter().flat_map(|section| &section.lines).find(|line| line.name == name)
    }

    fn aims(&self) -> Vec<Aim> {
        let at_most = |name: String, figure, bound| Aim { name, figure, bound, at_least: false };
        let to_floor = |line: &str| self.line(line)?.times(Who::Floor);
        let own = |line: &str| Some(self.line(line)?.values.get(&Who::Taskwatch)?.median);
        let (tens, most) = (Case::ALL[0], "at most");
        let trips = Case::ALL.map(|case| own(&trips_of(case)));
        let fewer = self.line(FIRST_CPU).and_then(|line| line.times(Who::Powertools)).map(f64::recip);
        let mut aims = vec![
            at_most(format!("{FIRST_CPU}: times the floor, {most}"), to_floor(FIRST_CPU), 2.0),
            at_most(format!("{}: times the floor, {most}", cpu_of(tens)), to_floor(&cpu_of(tens)), 2.0),
            at_most(format!("{}: times the floor, {most}", wall_of(tens)), to_floor(&wall_of(tens)), 2.0),
            at_most(
                format!("round trips for a batch of any size, {most}"),
                trips.into_iter().flatten().reduce(f64::max),
                8.0,
            ),
            // 12 MB, of which a MiB holds more than one.
            at_most(format!("memory, {PEAK}: MiB, {most}"), own(PEAK), 12e6 / f64::from(1 << 20)),
        ];
        aims.push(Aim {
            name: format!("{FIRST_CPU}: times less than Powertools, at least"),
            figure: fewer,
            bound: 40.0,
            at_least: true,
        });
        aims
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        for line in &self.circumstances {
            let _ = writeln!(text, "{line}");
        }
        for Section { title, lines } in &self.sections {
            let names = Who::ALL.map(|who| format!("{:>16}", who.name())).concat();
            let _ = writeln!(text, "\n{title:<56}{names}{:>10}{:>14}", "/ floor", "Powertools /");
            for line in lines {
                let cells = Who::ALL.map(|who| format!("{:>16}", cell(line, line.values.get(&who))));
                let times = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"));
                let (floor, powertools) = (line.times(Who::Floor), line.times(Who::Powertools).map(f64::recip));
                let name = format!("{} {}", line.name, line.unit.name());
                let row = format!("  {name:<54}{}{:>10}{:>14}", cells.concat(), times(floor), times(powertools));
                let _ = writeln!(text, "{}", row.trim_end());
            }
        }
        for (who, kinds) in &self.kinds {
            let _ = writeln!(text, "  {}, the statements of a batch of 10: {kinds}", who.name());
        }
        text.push_str("\nAims\n");
        for aim in self.aims() {
            let figure = aim.figure.map_or("not measured".to_owned(), |figure| format!("{figure:.2}"));
            let verdict = if aim.is_met() { "met" } else { "MISSED" };
            let _ = writeln!(text, "  {:<76}{:>8.2}: {figure:>8}  {verdict}", aim.name, aim.bound);
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let value =
            |spread: &Spread| json!({ "median": spread.median, "high": spread.high, "samples": spread.samples });
        let line = |line: &Line| {
            let values = line.values.iter().map(|(who, spread)| (who.name().to_owned(), value(spread)));
            json!({ "name": line.name, "unit": line.unit.name(), "values": values.collect::<serde_json::Map<_, _>>() })
        };
        let section = |section: &Section| json!({ "title": section.title, "lines": section.lines.iter().map(line).collect::<Vec<_>>() });
        let aim =
            |aim: &Aim| json!({ "name": aim.name, "bound": aim.bound, "figure": aim.figure, "met": aim.is_met() });
        json!({
            "circumstances": self.circumstances,
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "statements": self.kinds.iter().map(|(who, kinds)| (who.name(), kinds)).collect::<BTreeMap<_, _>>(),
            "aims": self.aims().iter().map(aim).collect::<Vec<_>>(),
        })
    }
}

fn cell(line: &Line, spread: Option<&Spread>) -> String {
    let Some(spread) = spread else { return "-".to_owned() };
    let shown = |value| line.unit.shown(value);
    match spread.high.filter(|_| spread.samples > 1) {
        Some(high) => format!("{} / {}", shown(spread.median), shown(high)),
        None => shown(spread.median),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Unit;
    use super::*;

    fn report(floor: f64, powertools: f64) -> Report {
        let values = [(Who::Floor, floor), (Who::Taskwatch, 3.0), (Who::Powertools, powertools)];
        let values = values.map(|(who, value)| (who, Spread { median: value, high: Some(value), samples: 9 }));
        let line = Line { name: FIRST_CPU.to_owned(), unit: Unit::Milliseconds, values: values.into() };
        let sections = vec![Section { title: "Cold", lines: vec![line] }];
        Report { circumstances: vec!["a machine".to_owned()], sections, kinds: BTreeMap::new() }
    }

    #[test]
    fn aims_are_met_or_missed_and_what_was_not_measured_is_not_met() {
        let met = |report: &Report| report.aims().iter().map(Aim::is_met).collect::<Vec<_>>();
        assert_eq!(met(&report(1.5, 120.0)), [true, false, false, false, false, true]);
        assert_eq!(met(&report(1.4, 119.0)), [false; 6]);
    }

    #[test]
    fn the_table_has_medians_ratios_and_verdicts() {
        let table = report(2.0, 150.0).table();
        for part in ["a machine", "init and first batch, CPU ms", "3.00 / 3.00", "1.50x", "50.00x", "MISSED", "met"] {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
    }
}
