//! The measurements themselves, as long as they are few: a histogram forgets them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;

use crate::values::Weighted;

/// How many measurements of a data point are remembered: as many as one line takes.
pub const REMEMBERED: usize = 100;
/// How many data points: the SDK's own default cardinality limit.
const POINTS: usize = 2000;

type Point = (String, Vec<(String, String)>);

/// Remembers what was measured between two exports, so that few measurements (an invocation's) are sent as they are and
/// not as their buckets.
///
/// It does not replace the instrument: record to both, with the same attributes. A data point is sent from memory only
/// if its count and sum are those of the histogram; else, say because there were more than [`REMEMBERED`] or because a
/// measurement came in the middle of an export, it is sent from its buckets. So nothing is lost, and nothing counts
/// twice. Clones share their memory, which is bounded: 2,000 data points.
#[derive(Debug, Clone, Default)]
pub struct Exact(Arc<Mutex<HashMap<Point, Vec<f64>>>>);

impl Exact {
    /// Remembers that `metric`'s instrument recorded `value`, in the instrument's unit.
    pub fn record(&self, metric: &str, value: f64, attributes: &[KeyValue]) {
        // The SDK ignores it too.
        if !value.is_finite() {
            return;
        }
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = points.len() < POINTS;
        let values = match points.entry(point(metric, attributes.iter())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if room => new.insert(Vec::new()),
            Entry::Vacant(_) => return,
        };
        // One more than is sent tells that there were too many.
        if values.len() <= REMEMBERED {
            values.push(value);
        }
    }

    /// What was remembered since it was last taken.
    #[must_use]
    pub fn take(&self) -> Remembered {
        Remembered(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The measurements of one collection.
#[derive(Debug, Default)]
pub struct Remembered(HashMap<Point, Vec<f64>>);

impl Remembered {
    /// The measurements of a data point, if they are all there.
    pub(crate) fn of<'a>(
        &self,
        metric: &str,
        attributes: impl Iterator<Item = &'a KeyValue>,
        count: u64,
        sum: f64,
    ) -> Option<Vec<Weighted>> {
        if self.0.is_empty() {
            return None;
        }
        let values = self.0.get(&point(metric, attributes))?;
        let magnitude: f64 = values.iter().map(|value| value.abs()).sum();
        let same = (values.iter().sum::<f64>() - sum).abs() <= 1e-9 * magnitude;
        let all = values.len() <= REMEMBERED && values.len() as u64 == count && same;
        all.then(|| values.iter().copied().map(Weighted::once).collect())
    }
}

fn point<'a>(metric: &str, attributes: impl Iterator<Item = &'a KeyValue>) -> Point {
    let mut attributes: Vec<_> = attributes.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect();
    attributes.sort();
    (metric.to_owned(), attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_complete_is_given() {
        let exact = Exact::default();
        let attributes = [KeyValue::new("a", 1), KeyValue::new("b", "x")];
        for value in [3.0, f64::NAN, 1.0] {
            exact.record("M", value, &attributes);
        }
        let remembered = exact.take();
        let of = |count, sum| remembered.of("M", attributes.iter().rev(), count, sum);
        assert_eq!(of(2, 4.0), Some(vec![Weighted::once(3.0), Weighted::once(1.0)]));
        assert_eq!((of(3, 4.0), of(2, 4.1)), (None, None));
        assert_eq!(remembered.of("N", attributes.iter(), 2, 4.0), None);
        assert!(exact.take().0.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let exact = Exact::default();
        for id in 0..3000 {
            exact.record("M", 1.0, &[KeyValue::new("id", id)]);
        }
        for _ in 0..1000 {
            exact.record("M", 1.0, &[KeyValue::new("id", 0)]);
        }
        let remembered = exact.take().0;
        assert_eq!((remembered.len(), remembered.values().map(Vec::len).max()), (POINTS, Some(REMEMBERED + 1)));
    }
}
