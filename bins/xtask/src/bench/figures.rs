//! Samples, what is told of them, and the lines they make.

use std::collections::BTreeMap;
use std::time::Duration;

/// Who is measured.
pub(super) trait Measured: Copy + Ord + std::fmt::Debug + 'static {
    /// The order is the one of the table's columns.
    const ALL: &'static [Self];
    /// What this project makes.
    const OURS: Self;

    fn name(self) -> &'static str;
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
    Mebibytes,
    Percent,
    Number,
}

impl Unit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Percent => "%",
            Self::Mebibytes => "MiB",
            Self::Number => "",
        }
    }

    pub(super) fn shown(self, value: f64) -> String {
        match self {
            Self::Number => format!("{value:.0}"),
            _ if value < 10.0 => format!("{value:.2}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// The middle of some samples, and their high end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    /// `None` where one sample is all there is.
    pub(super) high: Option<f64>,
    pub(super) samples: usize,
}

impl Spread {
    /// A figure without spread.
    pub(super) const fn exactly(value: f64) -> Self {
        Self { median: value, high: None, samples: 1 }
    }

    /// Of samples in any order, with this percentile as the high end, by nearest rank; `None` without any.
    pub(super) fn of(mut samples: Vec<f64>, percent: usize) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let rank = |percent: usize| samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { median: rank(50)?, high: rank(percent), samples: samples.len() })
    }
}

/// One figure for whoever has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<Who> {
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) values: BTreeMap<Who, Spread>,
}

impl<Who: Measured> Line<Who> {
    pub(super) fn median(&self, who: Who) -> Option<f64> {
        self.values.get(&who).map(|spread| spread.median)
    }

    /// Our median against another's.
    pub(super) fn times(&self, other: Who) -> Option<f64> {
        Some(self.median(Who::OURS)? / self.median(other)?)
    }
}

/// Samples by line and subject, in the order in which they first came.
#[derive(Debug)]
pub(super) struct Samples<Who>(Vec<(String, Unit, BTreeMap<Who, Vec<f64>>)>);

impl<Who> Default for Samples<Who> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Who: Measured> Samples<Who> {
    pub(super) fn took(&mut self, line: &str, who: Who, took: Duration) {
        self.note(line, Unit::Milliseconds, who, took.as_secs_f64() * 1e3);
    }

    pub(super) fn note(&mut self, line: &str, unit: Unit, who: Who, value: f64) {
        let at = self.0.iter().position(|(name, ..)| name == line).unwrap_or_else(|| {
            self.0.push((line.to_owned(), unit, BTreeMap::new()));
            self.0.len() - 1
        });
        self.0[at].2.entry(who).or_default().push(value);
    }

    /// With this percentile as the high end.
    pub(super) fn lines(self, percent: usize) -> Vec<Line<Who>> {
        let line = |(name, unit, samples): (String, Unit, BTreeMap<Who, Vec<f64>>)| {
            let spread = |(who, samples)| Some((who, Spread::of(samples, percent)?));
            Line { name, unit, values: samples.into_iter().filter_map(spread).collect() }
        };
        self.0.into_iter().map(line).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of programs and processes")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Who {
        Floor,
        Taskwatch,
    }

    impl Measured for Who {
        const ALL: &'static [Self] = &[Self::Floor, Self::Taskwatch];
        const OURS: Self = Self::Taskwatch;

        fn name(self) -> &'static str {
            "who"
        }
    }

    #[test]
    fn the_middle_and_the_high_end_are_samples() {
        let spread = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0], 90).unwrap();
        assert_eq!((spread.median, spread.high, spread.samples), (3.0, Some(5.0), 5));
        let hundred = Spread::of((1..=100).map(f64::from).collect(), 99).unwrap();
        assert_eq!((hundred.median, hundred.high), (50.0, Some(99.0)));
        assert_eq!(Spread::of(Vec::new(), 90), None);
    }

    #[test]
    fn samples_make_lines_in_their_order() {
        let mut samples = Samples::default();
        samples.took("b", Who::Floor, Duration::from_millis(2));
        samples.took("a", Who::Taskwatch, Duration::from_millis(1));
        samples.took("b", Who::Taskwatch, Duration::from_millis(3));
        let lines = samples.lines(90);
        assert_eq!(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!((lines[0].times(Who::Floor), lines[1].times(Who::Floor)), (Some(1.5), None));
    }
}
