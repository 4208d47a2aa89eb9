//! The SDK's histogram data points as buckets.

use opentelemetry_sdk::metrics::data::{ExponentialBucket, ExponentialHistogramDataPoint, HistogramDataPoint};

use crate::histogram::{Bucket, Known};

/// A number that the SDK measures in; above 2^53 whole numbers are rounded.
pub(crate) trait Number: Copy {
    fn number(self) -> f64;
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Number for u64 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for i64 {
    fn number(self) -> f64 {
        self as f64
    }
}

/// A histogram with edges of its user's choice. Without any edge there are no buckets either, only the totals.
pub(crate) fn explicit<T: Number>(point: &HistogramDataPoint<T>) -> (Vec<Bucket>, Known) {
    let lows = std::iter::once(f64::NEG_INFINITY).chain(point.bounds());
    let highs = point.bounds().chain(std::iter::once(f64::INFINITY));
    let buckets = lows.zip(highs).zip(point.bucket_counts()).map(|((low, high), count)| Bucket { low, high, count });
    let known = Known {
        count: point.count(),
        min: point.min().map(Number::number),
        max: point.max().map(Number::number),
        sum: Some(point.sum().number()),
    };
    (buckets.collect(), known)
}

/// A histogram whose edges are powers of 2^(2^-scale).
pub(crate) fn exponential<T: Number>(point: &ExponentialHistogramDataPoint<T>) -> (Vec<Bucket>, Known) {
    let mut buckets: Vec<Bucket> = side(point.negative_bucket(), point.scale())
        .map(|Bucket { low, high, count }| Bucket { low: -high, high: -low, count })
        .collect();
    buckets.reverse();
    let threshold = point.zero_threshold();
    buckets.push(Bucket { low: -threshold, high: threshold, count: point.zero_count() });
    buckets.extend(side(point.positive_bucket(), point.scale()));
    let known = Known {
        count: point.count() as u64,
        min: point.min().map(Number::number),
        max: point.max().map(Number::number),
        sum: Some(point.sum().number()),
    };
    (buckets, known)
}

/// The buckets of one sign, by magnitude.
fn side(buckets: &ExponentialBucket, scale: i8) -> impl Iterator<Item = Bucket> {
    let offset = f64::from(buckets.offset());
    let width = 2f64.powi(-i32::from(scale));
    // What is beyond f64 is the largest number that is not.
    let edge = move |index: f64| (index * width).exp2().min(f64::MAX);
    buckets.counts().zip(0u32..).map(move |(count, index)| {
        let index = offset + f64::from(index);
        Bucket { low: edge(index), high: edge(index + 1.0), count }
    })
}
