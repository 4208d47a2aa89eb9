//! Nothing is lost between the measurements and what CloudWatch is sent, whatever is measured and wherever it is split.

use std::time::{Duration, UNIX_EPOCH};

use super::common::{Seen, Store, collect, count, ranks, read_calls, read_lines, sum};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{Aggregation, Temporality};
use proptest::prelude::*;
use taskwatch_otel_cloudwatch::emf::{Emf, EmfLimits};
use taskwatch_otel_cloudwatch::put::{PutLimits, calls};
use taskwatch_otel_cloudwatch::{Datum, Dimension, Mapping, Unit, Values, Weighted};

/// Rounding: of a sum of some hundred numbers, and of the edges of buckets.
const ROUNDING: f64 = 1e-9;

fn recorded(samples: &[f64], aggregation: Aggregation) -> Seen {
    let seen = collect(Mapping::default(), Temporality::Delta, Some(aggregation), |provider| {
        let histogram = provider.meter("m").f64_histogram("Size").with_unit("ms").build();
        for sample in samples {
            histogram.record(*sample, &[]);
        }
    });
    seen.into_iter().next().unwrap()
}

/// As both sinks would send it; they say the same.
fn sent(seen: &Seen) -> Vec<(f64, u64)> {
    let put = read_calls(&calls(&seen.mapped.datums, PutLimits::default()));
    assert_eq!(put, read_lines(&Emf::default().lines(&seen.mapped.datums)));
    put.values("Size", &[])
}

/// Count, sum, smallest and largest are the measurements' own.
fn totals_hold(samples: &[f64], sent: &[(f64, u64)]) {
    assert_eq!(count(sent), samples.len() as u64);
    let magnitude: f64 = samples.iter().map(|x| x.abs()).sum();
    let expected: f64 = samples.iter().sum();
    assert!((sum(sent) - expected).abs() <= ROUNDING * magnitude, "{} for {expected}", sum(sent));
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert_eq!((sent[0].0, sent[sent.len() - 1].0), (least, most));
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples
}

fn samples() -> impl Strategy<Value = Vec<f64>> {
    let size = (-3.0..6.0f64).prop_map(|exponent| 10f64.powf(exponent));
    let whole = (0..100_000u32).prop_map(f64::from);
    let sample = prop_oneof![6 => size.clone(), 2 => whole, 1 => size.prop_map(|size| -size), 1 => Just(0.0)];
    prop::collection::vec(sample, 1..400)
}

fn datums() -> impl Strategy<Value = Vec<Datum>> {
    let values = prop::collection::vec((-1e6..1e6f64, 1..1_000_000u64), 1..40);
    let one = (0..6usize, 0..2u64, prop::array::uniform2(0..3usize), 1..8u8, values, any::<bool>());
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let datum = |(name, second, dimensions, sets, values, unit): (usize, u64, [usize; 2], u8, Vec<_>, bool)| {
            let values = Values::collect(values.into_iter().map(|(value, count)| Weighted { value, count })).0;
            let dimensions = dimensions
                .iter()
                .enumerate()
                .map(|(at, value)| Dimension::new(["Source", "Q\"ueue"][at], ["a", "b", "c\\"][*value]).unwrap());
            let possible: [&[&str]; 3] = [&[], &["Source"], &["Q\"ueue", "Source"]];
            let sets = possible.iter().enumerate().filter(|(at, _)| sets & (1 << at) != 0);
            let sets = sets.map(|(_, set)| set.iter().map(|name| (*name).to_owned()).collect()).collect();
            let unit = if unit { Unit::None } else { Unit::Milliseconds };
            let at = UNIX_EPOCH + Duration::from_secs(second);
            Datum::new(format!("M{name}"), unit, at, dimensions.collect(), sets, values).unwrap()
        };
        all.into_iter().map(datum).collect()
    })
}

fn expected(datums: &[Datum]) -> Store {
    let mut store = Store::default();
    for datum in datums {
        for set in datum.sets() {
            let wanted = datum.dimensions().iter().filter(|dimension| set.iter().any(|name| name == dimension.name()));
            let dimensions = wanted.map(|d| (d.name().to_owned(), d.value().to_owned())).collect();
            let values = datum.values().as_slice().iter().map(|w| (w.value, w.count));
            store.add((datum.name().to_owned(), datum.unit().as_str().to_owned(), dimensions), datum.millis(), values);
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exponential_histograms_keep_totals_and_each_percentile_within_a_bucket(
        samples in samples(), max_size in prop_oneof![Just(4u32), Just(20), Just(160), Just(320)],
    ) {
        let aggregation = Aggregation::Base2ExponentialHistogram { max_size, max_scale: 20, record_min_max: true };
        let seen = recorded(&samples, aggregation);
        let sent = sent(&seen);
        totals_hold(&samples, &sent);
        let base = 2f64.powi(-i32::from(seen.scale.unwrap())).exp2();
        for (sample, value) in sorted(&samples).iter().zip(ranks(&sent)) {
            let within = (base - 1.0) * sample.abs().min(value.abs()) + ROUNDING * sample.abs();
            prop_assert!((sample - value).abs() <= within, "{value} for {sample}, base {base}");
        }
    }

    #[test]
    fn explicit_histograms_keep_totals_and_each_percentile_within_a_bucket(
        samples in samples(), edges in prop::collection::btree_set(-1000..100_000i32, 0..30),
    ) {
        let boundaries: Vec<f64> = edges.into_iter().map(f64::from).collect();
        let bucket = |x: f64| boundaries.partition_point(|edge| *edge < x);
        let aggregation =
            Aggregation::ExplicitBucketHistogram { boundaries: boundaries.clone(), record_min_max: true };
        let sent = sent(&recorded(&samples, aggregation));
        totals_hold(&samples, &sent);
        for (sample, value) in sorted(&samples).iter().zip(ranks(&sent)) {
            // The lower edge is not part of a bucket, but can be what stands for it.
            let same = bucket(*sample) == bucket(value) || boundaries.get(bucket(*sample).wrapping_sub(1)) == Some(&value);
            prop_assert!(same, "{value} for {sample} in {boundaries:?}");
        }
    }

    #[test]
    fn calls_keep_everything_and_their_limits(datums in datums(), most in 1..9usize, width in 1..9usize, bytes in 500..5000usize) {
        let calls = calls(&datums, PutLimits { datums: most, values: width, bytes });
        prop_assert_eq!(read_calls(&calls), expected(&datums));
        for datum in calls.iter().flatten() {
            prop_assert!(datum.values.len() <= width);
        }
        prop_assert!(calls.iter().all(|call| !call.is_empty() && call.len() <= most));
    }

    #[test]
    fn lines_keep_everything_and_their_limits(datums in datums(), metrics in 1..9usize, values in 1..9usize, bytes in 700..5000usize) {
        let lines = Emf::default().within(EmfLimits { metrics, values, bytes }).lines(&datums);
        prop_assert_eq!(read_lines(&lines), expected(&datums));
        for line in &lines {
            prop_assert!(line.len() <= bytes, "{} over {bytes}: {line}", line.len());
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                prop_assert!(directive["Metrics"].as_array().unwrap().len() <= metrics);
            }
        }
    }
}
