//! What the figures are to be.

use super::super::figures::Measured as _;
use super::super::report::{Aim, Report};
use super::cold::FIRST_CPU;
use super::subject::Who;
use super::trips::trips_of;
use super::warm::{Case, PEAK, cpu_of, wall_of};

pub(super) fn aims(report: &Report<Who>) -> Vec<Aim> {
    let at_most = |name: String, figure, bound| Aim { name, figure, bound, at_least: false };
    let to_floor = |line: &str| report.line(line)?.times(Who::Floor);
    let own = |line: &str| report.line(line)?.median(Who::OURS);
    let (tens, most) = (Case::ALL[0], "at most");
    let trips = Case::ALL.map(|case| own(&trips_of(case)));
    let fewer = report.line(FIRST_CPU).and_then(|line| line.times(Who::Powertools)).map(f64::recip);
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

#[cfg(test)]
mod tests {
    use super::super::super::figures::{Line, Spread, Unit};
    use super::super::super::report::Section;
    use super::super::RATIOS;
    use super::*;

    fn report(floor: f64, powertools: f64) -> Report<Who> {
        let values = [(Who::Floor, floor), (Who::Taskwatch, 3.0), (Who::Powertools, powertools)];
        let values = values.map(|(who, value)| (who, Spread { median: value, high: Some(value), samples: 9 }));
        let line = Line { name: FIRST_CPU.to_owned(), unit: Unit::Milliseconds, values: values.into() };
        let sections = vec![Section { title: "Cold", lines: vec![line] }];
        let notes = vec![("floor".to_owned(), "update 2".to_owned())];
        Report { circumstances: vec!["a machine".to_owned()], sections, notes, ratios: RATIOS.to_vec() }
    }

    #[test]
    fn aims_are_met_or_missed_and_what_was_not_measured_is_not_met() {
        let met = |report: &Report<Who>| aims(report).iter().map(Aim::is_met).collect::<Vec<_>>();
        assert_eq!(met(&report(1.5, 120.0)), [true, false, false, false, false, true]);
        assert_eq!(met(&report(1.4, 119.0)), [false; 6]);
    }

    #[test]
    fn the_table_has_medians_ratios_and_verdicts() {
        let report = report(2.0, 150.0);
        let table = report.table(&aims(&report));
        for part in
            ["a machine", "init and first batch, CPU ms", "3.00 / 3.00", "1.50x", "50.00x", "update 2", "MISSED", "met"]
        {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
        let row = "| init and first batch, CPU ms | - | 2.00 | 3.00 | 150.0 | 1.50x | 50.00x |";
        assert_eq!(report.markdown().lines().last(), Some(row));
    }
}
