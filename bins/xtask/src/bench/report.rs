//! What is printed, and what is written for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figures::{Line, Measured, Spread};

/// All that was measured in one run.
#[derive(Debug)]
pub(super) struct Report<Who: Measured> {
    /// What it was measured on and with, a line each.
    pub(super) circumstances: Vec<String>,
    pub(super) sections: Vec<Section<Who>>,
    /// What else there is to say, by what it is about.
    pub(super) notes: Vec<(String, String)>,
    /// The columns behind those of the subjects.
    pub(super) ratios: Vec<Ratio<Who>>,
}

/// Lines that belong together.
#[derive(Debug)]
pub(super) struct Section<Who> {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line<Who>>,
}

/// Ours against another's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio<Who> {
    pub(super) heading: &'static str,
    pub(super) other: Who,
    /// The other's against ours.
    pub(super) is_inverse: bool,
}

impl<Who: Measured> Ratio<Who> {
    fn of(&self, line: &Line<Who>) -> String {
        let times = line.times(self.other).map(|times| if self.is_inverse { times.recip() } else { times });
        times.filter(|times| times.is_finite()).map_or("-".to_owned(), |times| format!("{times:.2}x"))
    }
}

/// What a figure is to be, as the issue that asked for it says.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) name: String,
    /// As measured; `None` if it was not.
    pub(super) figure: Option<f64>,
    pub(super) bound: f64,
    pub(super) at_least: bool,
}

impl Aim {
    pub(super) fn is_met(&self) -> bool {
        self.figure.is_some_and(|figure| if self.at_least { figure >= self.bound } else { figure <= self.bound })
    }
}

impl<Who: Measured> Report<Who> {
    pub(super) fn line(&self, name: &str) -> Option<&Line<Who>> {
        self.sections.iter().flat_map(|section| &section.lines).find(|line| line.name == name)
    }

    /// For people.
    pub(super) fn table(&self, aims: &[Aim]) -> String {
        let mut text = String::new();
        for line in &self.circumstances {
            let _ = writeln!(text, "{line}");
        }
        for Section { title, lines } in &self.sections {
            let names = Who::ALL.iter().map(|who| format!("{:>16}", who.name())).collect::<String>();
            let ratios = self.ratios.iter().map(|ratio| format!("{:>15}", ratio.heading)).collect::<String>();
            let _ = writeln!(text, "\n{title:<56}{names}{ratios}");
            for line in lines {
                let cells = Who::ALL.iter().map(|who| format!("{:>16}", cell(line, line.values.get(who))));
                let ratios = self.ratios.iter().map(|ratio| format!("{:>15}", ratio.of(line)));
                let name = format!("{} {}", line.name, line.unit.name());
                let row = format!("  {name:<54}{}", cells.chain(ratios).collect::<String>());
                let _ = writeln!(text, "{}", row.trim_end());
            }
        }
        for (about, note) in &self.notes {
            let _ = writeln!(text, "  {about}: {note}");
        }
        text.push_str("\nAims\n");
        for aim in aims {
            let figure = aim.figure.map_or("not measured".to_owned(), |figure| format!("{figure:.2}"));
            let verdict = if aim.is_met() { "met" } else { "MISSED" };
            let _ = writeln!(text, "  {:<76}{:>8.2}: {figure:>8}  {verdict}", aim.name, aim.bound);
        }
        text
    }

    /// For a README: the medians.
    pub(super) fn markdown(&self) -> String {
        let names = Who::ALL.iter().map(|who| format!(" {} |", who.name())).collect::<String>();
        let ratios = self.ratios.iter().map(|ratio| format!(" {} |", ratio.heading)).collect::<String>();
        let rules = " ---: |".repeat(Who::ALL.len() + self.ratios.len());
        let mut text = format!("| |{names}{ratios}\n| --- |{rules}\n");
        for line in self.sections.iter().flat_map(|section| &section.lines) {
            let median = |who: &Who| line.median(*who).map_or("-".to_owned(), |value| line.unit.shown(value));
            let cells = Who::ALL.iter().map(|who| format!(" {} |", median(who))).collect::<String>();
            let ratios = self.ratios.iter().map(|ratio| format!(" {} |", ratio.of(line))).collect::<String>();
            let name = format!("{} {}", line.name, line.unit.name());
            let _ = writeln!(text, "| {} |{cells}{ratios}", name.trim_end());
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self, aims: &[Aim]) -> Value {
        let value =
            |spread: &Spread| json!({ "median": spread.median, "high": spread.high, "samples": spread.samples });
        let line = |line: &Line<Who>| {
            let values = line.values.iter().map(|(who, spread)| (who.name().to_owned(), value(spread)));
            json!({ "name": line.name, "unit": line.unit.name(), "values": values.collect::<serde_json::Map<_, _>>() })
        };
        let section = |section: &Section<Who>| json!({ "title": section.title, "lines": section.lines.iter().map(line).collect::<Vec<_>>() });
        let aim =
            |aim: &Aim| json!({ "name": aim.name, "bound": aim.bound, "figure": aim.figure, "met": aim.is_met() });
        let notes = self.notes.iter().map(|(about, note)| (about.clone(), json!(note)));
        json!({
            "circumstances": self.circumstances,
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "notes": notes.collect::<serde_json::Map<_, _>>(),
            "aims": aims.iter().map(aim).collect::<Vec<_>>(),
        })
    }
}

fn cell<Who: Measured>(line: &Line<Who>, spread: Option<&Spread>) -> String {
    let Some(spread) = spread else { return "-".to_owned() };
    let shown = |value| line.unit.shown(value);
    match spread.high.filter(|_| spread.samples > 1) {
        Some(high) => format!("{} / {}", shown(spread.median), shown(high)),
        None => shown(spread.median),
    }
}
