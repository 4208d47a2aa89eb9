//! Datums as lines in the embedded metric format: JSON that CloudWatch Logs makes metrics from.
//!
//! A line holds one value for each dimension and one entry for each metric; whatever goes together by that goes into one
//! line, with one directive for each combination of series. Different values (say of `Source`) need different lines.
//!
//! A metric's values are a number, an array, or `{"Values": [..], "Counts": [..]}` where a value occurs more than once.
//! The specification names the first two; the third is what the CloudWatch agent and the collector's `awsemf` exporter
//! send histograms as.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::to_string;

use crate::datum::{Datum, DatumError, DimensionSet, METADATA, named};
use crate::unit::Unit;
use crate::values::Weighted;

/// The limits of a line (embedded metric format specification, and CloudWatch Logs quotas). A limit of 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmfLimits {
    /// Metrics a directive.
    pub metrics: usize,
    /// Values a metric.
    pub values: usize,
    /// Bytes a line, without its end. A metric that is larger alone is written alone.
    pub bytes: usize,
}

impl Default for EmfLimits {
    fn default() -> Self {
        Self { metrics: 100, values: 100, bytes: 1_000_000 }
    }
}

/// Writes datums as lines.
#[derive(Debug, Clone)]
pub struct Emf {
    namespace: String,
    limits: EmfLimits,
}

impl Default for Emf {
    /// For the namespace `TaskManagementSystem`.
    fn default() -> Self {
        Self { namespace: String::from("TaskManagementSystem"), limits: EmfLimits::default() }
    }
}

impl Emf {
    /// For this namespace.
    ///
    /// # Errors
    ///
    /// If CloudWatch would refuse it.
    pub fn new(namespace: impl Into<String>) -> Result<Self, DatumError> {
        Ok(Self { namespace: named(namespace.into())?, limits: EmfLimits::default() })
    }

    /// Within other limits than CloudWatch's.
    #[must_use]
    pub fn within(self, limits: EmfLimits) -> Self {
        Self { limits, ..self }
    }

    /// The lines, without line ends: as few as hold all of `datums`, and none if there are none.
    #[must_use]
    pub fn lines(&self, datums: &[Datum]) -> Vec<String> {
        let mut wide: Vec<&Datum> = datums.iter().collect();
        // What has most dimensions decides; what has fewer goes where they fit. What fits together comes together, so
        // that a look at the latest line is mostly enough.
        wide.sort_by_key(|datum| (Reverse(datum.dimensions().len()), datum.millis(), datum.dimensions()));
        let mut open: Vec<Document<'_>> = Vec::new();
        for datum in wide {
            for chunk in datum.values().as_slice().chunks(self.limits.values.max(1)) {
                let metric = Part::new(datum, chunk);
                let fits = open.iter().rposition(|document| document.takes(&metric, self));
                match fits.and_then(|at| open.get_mut(at)) {
                    Some(document) => document.add(metric, self),
                    None => {
                        let mut document = Document::new(datum.millis());
                        document.add(metric, self);
                        open.push(document);
                    }
                }
            }
        }
        open.iter().map(|document| document.line(&self.namespace)).collect()
    }

    /// How many bytes a directive takes beside its metrics.
    fn directive(&self, sets: &[DimensionSet]) -> usize {
        let names: usize = sets.iter().map(|set| 3 + set.iter().map(|name| text(name).len() + 1).sum::<usize>()).sum();
        r#"{"Namespace":,"Dimensions":[],"Metrics":[]},"#.len() + text(&self.namespace).len() + names
    }
}

/// A part of a datum that fits a line.
struct Part<'a> {
    datum: &'a Datum,
    definition: String,
    member: String,
}

impl<'a> Part<'a> {
    fn new(datum: &'a Datum, values: &[Weighted]) -> Self {
        let name = text(datum.name());
        let definition = match datum.unit() {
            Unit::None => format!(r#"{{"Name":{name}}}"#),
            unit => format!(r#"{{"Name":{name},"Unit":{}}}"#, text(unit.as_str())),
        };
        Self { datum, definition, member: format!("{name}:{}", written(values)) }
    }

    fn bytes(&self) -> usize {
        self.definition.len() + self.member.len() + 2
    }
}

/// A line that is being filled.
struct Document<'a> {
    millis: i64,
    dimensions: BTreeMap<&'a str, &'a str>,
    metrics: BTreeMap<&'a str, String>,
    /// Definitions by series. Several directives for the same series where one would be too long.
    directives: Vec<(&'a [DimensionSet], Vec<String>)>,
    bytes: usize,
}

impl<'a> Document<'a> {
    fn new(millis: i64) -> Self {
        let bytes = format!(r#"{{"{METADATA}":{{"Timestamp":{millis},"CloudWatchMetrics":[]}}}}"#).len();
        Self { millis, dimensions: BTreeMap::new(), metrics: BTreeMap::new(), directives: Vec::new(), bytes }
    }

    fn takes(&self, part: &Part<'_>, emf: &Emf) -> bool {
        let datum = part.datum;
        self.millis == datum.millis()
            && !self.metrics.contains_key(datum.name())
            && !self.dimensions.contains_key(datum.name())
            && datum.dimensions().iter().all(|dimension| {
                let has = self.dimensions.get(dimension.name());
                has.is_none_or(|has| *has == dimension.value()) && !self.metrics.contains_key(dimension.name())
            })
            && self.bytes.saturating_add(self.cost(part, emf)) <= emf.limits.bytes
    }

    /// How many bytes the line grows by.
    fn cost(&self, part: &Part<'_>, emf: &Emf) -> usize {
        let new = part.datum.dimensions().iter().filter(|dimension| !self.dimensions.contains_key(dimension.name()));
        let members: usize = new.map(|d| text(d.name()).len() + text(d.value()).len() + 2).sum();
        let directive = if self.directive(part, emf).is_some() { 0 } else { emf.directive(part.datum.sets()) };
        part.bytes() + members + directive
    }

    /// The directive that still takes it.
    fn directive(&self, part: &Part<'_>, emf: &Emf) -> Option<usize> {
        let most = emf.limits.metrics.max(1);
        self.directives.iter().position(|(sets, metrics)| *sets == part.datum.sets() && metrics.len() < most)
    }

    fn add(&mut self, part: Part<'a>, emf: &Emf) {
        self.bytes = self.bytes.saturating_add(self.cost(&part, emf));
        let directive = self.directive(&part, emf);
        match directive.and_then(|at| self.directives.get_mut(at)) {
            Some((_, metrics)) => metrics.push(part.definition),
            None => self.directives.push((part.datum.sets(), vec![part.definition])),
        }
        self.dimensions.extend(part.datum.dimensions().iter().map(|d| (d.name(), d.value())));
        self.metrics.insert(part.datum.name(), part.member);
    }

    fn line(&self, namespace: &str) -> String {
        let list = |set: &DimensionSet| format!("[{}]", joined(set.iter().map(|name| text(name))));
        let directives = self.directives.iter().map(|(sets, metrics)| {
            let (namespace, sets) = (text(namespace), joined(sets.iter().map(list)));
            let metrics = metrics.join(",");
            format!(r#"{{"Namespace":{namespace},"Dimensions":[{sets}],"Metrics":[{metrics}]}}"#)
        });
        let (directives, millis) = (joined(directives), self.millis);
        let dimensions = self.dimensions.iter().map(|(name, value)| format!("{}:{}", text(name), text(value)));
        let members = joined(dimensions.chain(self.metrics.values().cloned()));
        format!(r#"{{"{METADATA}":{{"Timestamp":{millis},"CloudWatchMetrics":[{directives}]}},{members}}}"#)
    }
}

/// Values as the shortest of the three forms.
fn written(values: &[Weighted]) -> String {
    let numbers = || joined(values.iter().map(|w| number(w.value)));
    match values {
        [Weighted { value, count: 1 }] => number(*value),
        _ if values.iter().all(|w| w.count == 1) => format!("[{}]", numbers()),
        _ => {
            let counts = joined(values.iter().map(|w| w.count.to_string()));
            format!(r#"{{"Values":[{}],"Counts":[{counts}]}}"#, numbers())
        }
    }
}

/// A number in the fewest digits that read back the same. It is finite.
fn number(value: f64) -> String {
    let written = to_string(&value).unwrap_or_default();
    written.strip_suffix(".0").map(str::to_owned).unwrap_or(written)
}

/// A text in quotes.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::datum::Dimension;
    use crate::values::Values;

    fn datum(name: &str, source: &str, values: &[(f64, u64)]) -> Datum {
        let dimensions = vec![Dimension::new("Source", source).unwrap()];
        let sets = vec![vec![], vec!["Source".to_owned()]];
        let values = Values::collect(values.iter().map(|&(value, count)| Weighted { value, count })).0;
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        Datum::new(name, Unit::Count, at, dimensions, sets, values).unwrap()
    }

    #[test]
    fn metrics_of_the_same_series_are_one_line() {
        let datums = [
            datum("TasksStarted", "lambda", &[(3.0, 1)]),
            datum("TaskWait", "lambda", &[(1.5, 1), (2.0, 1)]),
            datum("TaskDuration", "lambda", &[(0.25, 7), (1e21, 1)]),
        ];
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"TaskManagementSystem","#,
            r#""Dimensions":[[],["Source"]],"Metrics":[{"Name":"TasksStarted","Unit":"Count"},"#,
            r#"{"Name":"TaskWait","Unit":"Count"},{"Name":"TaskDuration","Unit":"Count"}]}]},"Source":"lambda","#,
            r#""TaskDuration":{"Values":[0.25,1e+21],"Counts":[7,1]},"TaskWait":[1.5,2],"TasksStarted":3}"#,
        );
        assert_eq!(Emf::default().lines(&datums), [expected]);
    }

    #[test]
    fn sources_and_repeated_metrics_need_lines_of_their_own() {
        let datums =
            [datum("A", "ec2", &[(1.0, 1)]), datum("A", "replay", &[(1.0, 1)]), datum("B", "ec2", &[(1.0, 1)])];
        assert_eq!(Emf::default().lines(&datums).len(), 2);
        let values: Vec<(f64, u64)> = (0..101).map(|i| (f64::from(i), 1)).collect();
        assert_eq!(Emf::default().lines(&[datum("A", "ec2", &values)]).len(), 2);
    }

    #[test]
    fn a_hundred_and_first_metric_is_another_directive_of_the_same_line() {
        let datums: Vec<_> = (0..101).map(|i| datum(&format!("M{i}"), "ec2", &[(1.0, 1)])).collect();
        let lines = Emf::default().lines(&datums);
        assert_eq!((lines.len(), lines[0].matches("Namespace").count()), (1, 2));
    }

    #[test]
    fn the_size_of_a_line_is_not_underestimated() {
        let datums: Vec<_> = (0..20).map(|i| datum(&format!("M{i}"), "ec2", &[(0.1 + f64::from(i), 3)])).collect();
        for bytes in 300..2500 {
            let limits = EmfLimits { bytes, metrics: 7, ..EmfLimits::default() };
            let lines = Emf::default().within(limits).lines(&datums);
            assert!(lines.iter().all(|line| line.len() <= bytes), "{bytes}: {lines:?}");
        }
    }

    #[test]
    fn a_line_has_at_most_a_megabyte() {
        let values: Vec<(f64, u64)> = (0..100).map(|i| (1.0 / 3.0 + f64::from(i), 1_000_000_007)).collect();
        let datums: Vec<_> = (0..400).map(|i| datum(&format!("M{i}"), "ec2", &values)).collect();
        let lines = Emf::default().lines(&datums);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() <= 1_000_000), "{}", lines[0].len());
        assert!(lines[0].len() > 990_000, "{}", lines[0].len());
    }

    #[test]
    fn numbers_read_back_the_same() {
        let numbers =
            [0.0, 1.0, -3.5, 0.1 + 0.2, 1e21, -2f64.powi(360), 2f64.powi(-360), 9_007_199_254_740_993.0, 1e-7];
        for value in numbers {
            assert_eq!(number(value).parse(), Ok(value), "{}", number(value));
            assert!(!number(value).ends_with(".0"));
        }
    }

    #[test]
    fn nothing_is_no_line_and_a_bad_namespace_is_refused() {
        assert!(Emf::default().lines(&[]).is_empty());
        assert!(Emf::new(":x").is_err());
    }

    #[test]
    fn a_metric_called_like_the_dimension_of_another_is_kept_out_of_its_line() {
        let plain = Datum::new(
            "Source",
            Unit::None,
            UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            vec![],
            vec![vec![]],
            Values::collect([Weighted::once(5.0)]).0,
        );
        let lines = Emf::default().lines(&[plain.unwrap(), datum("A", "ec2", &[(1.0, 1)])]);
        assert_eq!(lines.len(), 2);
    }
}
