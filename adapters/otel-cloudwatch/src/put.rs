//! Datums as calls of `PutMetricData`, each within the limits of one call. What makes the call is not here.

use crate::datum::{Datum, Dimension};
use crate::unit::Unit;

/// The limits of a call (API reference, `PutMetricData`). A limit of 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutLimits {
    /// Datums a call.
    pub datums: usize,
    /// Different values a datum.
    pub values: usize,
    /// Bytes a call, before compression, by an estimate that is never too low for the SDK's CBOR. The documentation
    /// leaves open whether 1 MB is meant before or after compression. A datum that is larger alone is sent alone.
    pub bytes: usize,
}

impl Default for PutLimits {
    fn default() -> Self {
        Self { datums: 1000, values: 150, bytes: 1_000_000 }
    }
}

/// One element of `MetricData`: one series.
#[derive(Debug, Clone, PartialEq)]
pub struct PutDatum {
    /// The metric's name.
    pub name: String,
    /// The unit of the values.
    pub unit: Unit,
    /// When, in milliseconds since 1970 (UTC).
    pub millis: i64,
    /// At most 30.
    pub dimensions: Vec<Dimension>,
    /// Different values, ascending.
    pub values: Vec<f64>,
    /// How often each of the values occurred. CloudWatch keeps counts as floating point: exact to 2^53.
    pub counts: Vec<f64>,
}

/// The calls that send all of `datums`: a datum for each of their series, cut where it has too many values.
#[must_use]
pub fn calls(datums: &[Datum], limits: PutLimits) -> Vec<Vec<PutDatum>> {
    let mut calls: Vec<Vec<PutDatum>> = Vec::new();
    let mut open: Vec<PutDatum> = Vec::new();
    let mut bytes = ENVELOPE;
    for datum in datums.iter().flat_map(|datum| series(datum, limits.values.max(1))) {
        let size = size(&datum);
        if !open.is_empty() && (open.len() >= limits.datums || bytes.saturating_add(size) > limits.bytes) {
            calls.push(std::mem::take(&mut open));
            bytes = ENVELOPE;
        }
        bytes = bytes.saturating_add(size);
        open.push(datum);
    }
    if !open.is_empty() {
        calls.push(open);
    }
    calls
}

fn series(datum: &Datum, most: usize) -> impl Iterator<Item = PutDatum> {
    datum.sets().iter().flat_map(move |set| {
        let wanted = |dimension: &&Dimension| set.iter().any(|name| name == dimension.name());
        let dimensions: Vec<Dimension> = datum.dimensions().iter().filter(wanted).cloned().collect();
        datum.values().as_slice().chunks(most).map(move |chunk| PutDatum {
            name: datum.name().to_owned(),
            unit: datum.unit(),
            millis: datum.millis(),
            dimensions: dimensions.clone(),
            values: chunk.iter().map(|w| w.value).collect(),
            counts: chunk.iter().map(|w| w.count as f64).collect(),
        })
    })
}

/// Namespace, and what surrounds the datums.
const ENVELOPE: usize = 512;
/// The keys of a datum (each with a head), its time, and heads of lists and maps.
const DATUM: usize = 160;

/// An upper bound for a datum in CBOR: a number takes 9 bytes, a text its length and at most 5.
fn size(datum: &PutDatum) -> usize {
    let text = |text: &str| text.len() + 5;
    let dimensions: usize = datum.dimensions.iter().map(|d| text(d.name()) + text(d.value()) + 24).sum();
    DATUM + text(&datum.name) + text(datum.unit.as_str()) + dimensions + 9 * (datum.values.len() + datum.counts.len())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::values::{Values, Weighted};

    fn datum(values: usize) -> Datum {
        let source = Dimension::new("Source", "ec2").unwrap();
        let values = Values::collect((0..values).map(|i| Weighted { value: i as f64, count: 2 })).0;
        let sets = vec![vec![], vec!["Source".to_owned()]];
        Datum::new("TaskDuration", Unit::Milliseconds, UNIX_EPOCH, vec![source], sets, values).unwrap()
    }

    #[test]
    fn each_series_is_a_datum_and_151_values_are_two() {
        let calls = calls(&[datum(151)], PutLimits::default());
        let shape: Vec<_> = calls[0].iter().map(|d| (d.dimensions.len(), d.values.len())).collect();
        assert_eq!((calls.len(), shape), (1, vec![(0, 150), (0, 1), (1, 150), (1, 1)]));
    }

    #[test]
    fn a_call_has_at_most_1000_datums() {
        let datums = vec![datum(1); 501];
        let calls = calls(&datums, PutLimits::default());
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 2]);
    }

    #[test]
    fn a_call_has_at_most_a_megabyte_and_a_large_datum_goes_alone() {
        let datums = vec![datum(150); 400];
        let all = calls(&datums, PutLimits::default());
        assert!(all.len() > 2, "{}", all.len());
        assert!(all.iter().all(|call| ENVELOPE + call.iter().map(size).sum::<usize>() <= 1_000_000));
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 800);
        let tiny = calls(&datums[..2], PutLimits { datums: 0, values: 0, bytes: 0 });
        assert!(tiny.iter().all(|call| call.len() == 1 && call[0].values.len() == 1));
        assert_eq!(tiny.len(), 600);
    }

    #[test]
    fn nothing_is_no_call() {
        assert!(calls(&[], PutLimits::default()).is_empty());
    }
}
