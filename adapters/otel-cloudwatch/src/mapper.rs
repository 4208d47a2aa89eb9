//! OpenTelemetry's metric data in, CloudWatch's datums out. Pure: no clock, no network, nothing kept.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};

use crate::datum::{Datum, DatumError, Dimension, DimensionSet};
use crate::exact::Remembered;
use crate::histogram::{Bucket, Known, represent};
use crate::mapping::Mapping;
use crate::points::{Number, explicit, exponential};
use crate::unit::Unit;
use crate::values::{Values, Weighted};

/// Set by the SDK on measurements whose attributes it no longer keeps apart.
const OVERFLOW: &str = "otel.metric.overflow";

/// Why a metric was left out. Phrased to follow "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MapError {
    #[error(
        "map metric `{metric}`: its temporality is cumulative, and CloudWatch would add up the totals; \
         make the exporter or reader ask for Temporality::Delta"
    )]
    Cumulative { metric: String },
    #[error("map metric `{metric}`: failed to {source}")]
    Datum { metric: String, source: DatumError },
}

/// What a collection became.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapped {
    /// What is to be sent; nothing if nothing was recorded.
    pub datums: Vec<Datum>,
    /// Metrics that are not among them, and why; the others are not affected.
    pub refused: Vec<MapError>,
    /// What the datums do not say, or not exactly.
    pub tally: Tally,
}

/// What a mapping had to leave out or could not keep exact. All 0 if nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Measurements that are not sent: NaN, infinite, or larger than 2^360; or of which nothing but their number is
    /// known.
    pub dropped: u64,
    /// Data points of `otel.metric.overflow`: the SDK met more combinations of attributes than its cardinality limit.
    /// They count in the series without dimensions, and in no other.
    pub overflowed: u64,
    /// Histogram data points whose sum was not recorded, or does not fit their buckets: sent with representatives only.
    pub sums_unknown: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.overflowed = self.overflowed.saturating_add(other.overflowed);
        self.sums_unknown = self.sums_unknown.saturating_add(other.sums_unknown);
    }
}

/// Maps one collection of the SDK. All datums bear one time, that of the latest data in it: the instruments are
/// collected one after the other, and would otherwise be microseconds apart, which costs lines.
#[must_use]
pub fn map(collected: &ResourceMetrics, mapping: &Mapping) -> Mapped {
    map_exact(collected, mapping, &Remembered::default())
}

/// Maps one collection, with the measurements themselves where they were remembered.
#[must_use]
pub fn map_exact(collected: &ResourceMetrics, mapping: &Mapping, exact: &Remembered) -> Mapped {
    let metrics = || collected.scope_metrics().flat_map(|scope| scope.metrics());
    let mut mapper = Mapper {
        mapping,
        exact,
        resource: |key: &str| collected.resource().get(&Key::new(key.to_owned())).map(|value| value.to_string()),
        merged: BTreeMap::new(),
        tally: Tally::default(),
    };
    let mut refused = Vec::new();
    let mut at = UNIX_EPOCH;
    for metric in metrics() {
        let mapped = match metric.data() {
            AggregatedMetrics::F64(data) => mapper.metric(metric, data, &mut at),
            AggregatedMetrics::U64(data) => mapper.metric(metric, data, &mut at),
            AggregatedMetrics::I64(data) => mapper.metric(metric, data, &mut at),
        };
        refused.extend(mapped.err());
    }
    let mut mapped = Mapped { datums: Vec::new(), refused, tally: mapper.tally };
    for (key, values) in mapper.merged {
        let (values, dropped) = values.collect();
        mapped.tally.dropped = mapped.tally.dropped.saturating_add(dropped);
        if values.is_empty() {
            continue;
        }
        let metric = key.metric.clone();
        match Datum::new(key.metric, key.unit, at, key.dimensions, key.sets, values) {
            Ok(datum) => mapped.datums.push(datum),
            Err(source) => mapped.refused.push(MapError::Datum { metric, source }),
        }
    }
    mapped
}

/// What has the same series is sent as one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey {
    metric: String,
    unit: Unit,
    adds: bool,
    sets: Vec<DimensionSet>,
    dimensions: Vec<Dimension>,
}

#[derive(Debug)]
enum Merged {
    /// Parts of one number.
    Sum(Vec<f64>),
    /// Measurements.
    Values(Vec<Weighted>),
}

impl Merged {
    fn collect(self) -> (Values, u64) {
        match self {
            // What is not finite must not take the rest with it.
            Self::Sum(parts) => {
                let (finite, bad): (Vec<f64>, Vec<f64>) = parts.into_iter().partition(|part| part.is_finite());
                let sum = (!finite.is_empty()).then(|| Weighted::once(finite.iter().sum()));
                let (values, dropped) = Values::collect(sum);
                (values, dropped + bad.len() as u64)
            }
            Self::Values(values) => Values::collect(values),
        }
    }
}

struct Mapper<'a, R> {
    mapping: &'a Mapping,
    exact: &'a Remembered,
    resource: R,
    merged: BTreeMap<SeriesKey, Merged>,
    tally: Tally,
}

impl<R: Fn(&str) -> Option<String>> Mapper<'_, R> {
    fn metric<T: Number>(
        &mut self,
        metric: &Metric,
        data: &MetricData<T>,
        at: &mut SystemTime,
    ) -> Result<(), MapError> {
        let cumulative = |temporality| temporality != Temporality::Delta;
        let refuse = || Err(MapError::Cumulative { metric: metric.name().to_owned() });
        match data {
            MetricData::Gauge(gauge) => {
                *at = gauge.time().max(*at);
                for point in gauge.data_points() {
                    self.values(metric, point.attributes(), [Weighted::once(point.value().number())])?;
                }
            }
            MetricData::Sum(sum) if cumulative(sum.temporality()) && sum.is_monotonic() => return refuse(),
            MetricData::Sum(sum) => {
                *at = sum.time().max(*at);
                // What goes up and down is always cumulative: a level. The levels of a series add up as sums do, but a
                // level is no increment: CloudWatch must not see it in parts, so each series gets its own total.
                let level = cumulative(sum.temporality());
                for point in sum.data_points() {
                    self.sum(metric, point.attributes(), point.value().number(), level)?;
                }
            }
            MetricData::Histogram(histogram) => {
                if cumulative(histogram.temporality()) {
                    return refuse();
                }
                *at = histogram.time().max(*at);
                for point in histogram.data_points() {
                    let (buckets, known) = explicit(point);
                    self.histogram(metric, || point.attributes(), &buckets, known)?;
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                if cumulative(histogram.temporality()) {
                    return refuse();
                }
                *at = histogram.time().max(*at);
                for point in histogram.data_points() {
                    let (buckets, known) = exponential(point);
                    self.histogram(metric, || point.attributes(), &buckets, known)?;
                }
            }
        }
        Ok(())
    }

    fn histogram<'k, A: Iterator<Item = &'k KeyValue>>(
        &mut self,
        metric: &Metric,
        attributes: impl Fn() -> A,
        buckets: &[Bucket],
        known: Known,
    ) -> Result<(), MapError> {
        let exact = known.sum.and_then(|sum| self.exact.of(metric.name(), attributes(), known.count, sum));
        let values = exact.unwrap_or_else(|| {
            let represented = represent(buckets.iter().copied(), known);
            if !represented.sum_holds && !represented.values.is_empty() {
                self.tally.sums_unknown += 1;
            }
            represented.values
        });
        self.values(metric, attributes(), values)
    }

    fn sum<'k>(
        &mut self,
        metric: &Metric,
        attributes: impl Iterator<Item = &'k KeyValue>,
        value: f64,
        level: bool,
    ) -> Result<(), MapError> {
        for (key, factor) in self.keys(metric, attributes, level, true)? {
            if let Merged::Sum(parts) = self.merged.entry(key).or_insert_with(|| Merged::Sum(Vec::new())) {
                parts.push(value * factor);
            }
        }
        Ok(())
    }

    fn values<'k>(
        &mut self,
        metric: &Metric,
        attributes: impl Iterator<Item = &'k KeyValue>,
        values: impl IntoIterator<Item = Weighted>,
    ) -> Result<(), MapError> {
        let values: Vec<Weighted> = values.into_iter().collect();
        for (key, factor) in self.keys(metric, attributes, false, false)? {
            let scaled = values.iter().map(|w| Weighted { value: w.value * factor, count: w.count });
            if let Merged::Values(all) = self.merged.entry(key).or_insert_with(|| Merged::Values(Vec::new())) {
                all.extend(scaled);
            }
        }
        Ok(())
    }

    /// Under which keys a data point counts, and what its values are multiplied by: one, or if `apart` one a series.
    fn keys<'k>(
        &mut self,
        metric: &Metric,
        attributes: impl Iterator<Item = &'k KeyValue>,
        apart: bool,
        adds: bool,
    ) -> Result<Vec<(SeriesKey, f64)>, MapError> {
        let attributes: Vec<&KeyValue> = attributes.collect();
        if attributes.iter().any(|attribute| attribute.key.as_str() == OVERFLOW) {
            self.tally.overflowed += 1;
        }
        let find = |key: &str| {
            let own = attributes.iter().find(|attribute| attribute.key.as_str() == key);
            own.map(|attribute| attribute.value.to_string()).or_else(|| (self.resource)(key))
        };
        let (dimensions, sets) = self
            .mapping
            .series(metric.name(), find)
            .map_err(|source| MapError::Datum { metric: metric.name().to_owned(), source })?;
        let (unit, factor) = Unit::from_ucum(metric.unit());
        let key = |sets: Vec<DimensionSet>| {
            let used = |dimension: &&Dimension| sets.iter().flatten().any(|name| name == dimension.name());
            let dimensions = dimensions.iter().filter(used).cloned().collect();
            (SeriesKey { metric: metric.name().to_owned(), unit, adds, sets, dimensions }, factor)
        };
        Ok(match (apart, sets.is_empty()) {
            (_, true) => Vec::new(),
            (true, _) => sets.into_iter().map(|set| key(vec![set])).collect(),
            (false, _) => vec![key(sets)],
        })
    }
}
