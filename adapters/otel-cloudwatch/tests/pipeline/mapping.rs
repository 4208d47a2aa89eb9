//! Collections of the real SDK, mapped: instruments of each kind, series, and what cannot be mapped.

use super::common::{Seen, Store, collect, count, read_calls, sum};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{Aggregation, SdkMeterProvider, Temporality};
use taskwatch_otel_cloudwatch::put::{PutLimits, calls};
use taskwatch_otel_cloudwatch::{MapError, Mapping, Series, Tally};

fn by_source() -> Mapping {
    Mapping::new(Series::none().plain().by([("taskwatch.source", "Source")]).unwrap())
}

fn source(name: &'static str) -> KeyValue {
    KeyValue::new("taskwatch.source", name)
}

fn delta(record: impl FnOnce(&SdkMeterProvider)) -> Seen {
    collect(by_source(), Temporality::Delta, None, record).pop().unwrap()
}

fn stored(seen: &Seen) -> Store {
    read_calls(&calls(&seen.mapped.datums, PutLimits::default()))
}

#[test]
fn counters_count_with_and_without_the_source() {
    let seen = delta(|provider| {
        let counter = provider.meter("m").u64_counter("TasksStarted").with_unit("{task}").build();
        counter.add(3, &[source("ec2"), KeyValue::new("queue", "a")]);
        counter.add(4, &[source("ec2"), KeyValue::new("queue", "b")]);
        counter.add(5, &[source("replay")]);
    });
    let store = stored(&seen);
    // What differs in an attribute that is no dimension is one number.
    assert_eq!(store.values("TasksStarted", &[("Source", "ec2")]), [(7.0, 1)]);
    assert_eq!(store.values("TasksStarted", &[("Source", "replay")]), [(5.0, 1)]);
    assert_eq!(sum(&store.values("TasksStarted", &[])), 12.0);
    assert!(store.0.keys().all(|((_, unit, _), _)| unit == "Count"));
    assert_eq!(seen.mapped.tally, Tally::default());
}

#[test]
fn a_dimension_may_come_from_the_resource_and_a_metric_may_have_other_series() {
    let series = Series::none().by([("telemetry.sdk.language", "Language")]).unwrap();
    let mapping = by_source().with("Special", series);
    let seen = collect(mapping, Temporality::Delta, None, |provider| {
        provider.meter("m").u64_counter("Special").build().add(1, &[source("ec2")]);
        provider.meter("m").u64_counter("Usual").build().add(1, &[]);
    });
    let store = stored(&seen[0]);
    assert_eq!(store.values("Special", &[("Language", "rust")]), [(1.0, 1)]);
    assert_eq!(store.values("Usual", &[]), [(1.0, 1)]);
    assert_eq!(store.0.len(), 2, "{store:?}");
}

#[test]
fn nothing_recorded_is_nothing_sent_and_nothing_is_sent_twice() {
    let all = collect(by_source(), Temporality::Delta, None, |provider| {
        let meter = provider.meter("m");
        let counter = meter.u64_counter("A").build();
        let histogram = meter.f64_histogram("B").build();
        provider.force_flush().unwrap();
        counter.add(1, &[source("ec2")]);
        histogram.record(1.0, &[]);
        provider.force_flush().unwrap();
    });
    // The SDK does not even export what is empty: what it exports is mapped to the one addition and the one value.
    let sent: Vec<_> = all.iter().flat_map(|seen| &seen.mapped.datums).map(|datum| datum.name()).collect();
    assert_eq!(sent, ["A", "B"]);
}

#[test]
fn cumulative_counters_and_histograms_are_refused_and_gauges_are_not() {
    let seen = collect(by_source(), Temporality::Cumulative, None, |provider| {
        let meter = provider.meter("m");
        meter.u64_counter("Total").build().add(1, &[]);
        meter.f64_histogram("Size").build().record(1.0, &[]);
        meter.f64_gauge("Level").build().record(2.5, &[]);
    });
    let mapped = &seen[0].mapped;
    let refused = |metric: &str| MapError::Cumulative { metric: metric.into() };
    assert_eq!(mapped.refused, [refused("Total"), refused("Size")]);
    assert!(mapped.refused[0].to_string().contains("Temporality::Delta"));
    assert_eq!(mapped.datums.iter().map(|datum| datum.name()).collect::<Vec<_>>(), ["Level"]);
}

#[test]
fn a_cumulative_exponential_histogram_is_refused() {
    let exponential = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
    let seen = collect(by_source(), Temporality::Cumulative, Some(exponential), |provider| {
        provider.meter("m").f64_histogram("Size").build().record(1.0, &[]);
    });
    assert_eq!(seen[0].mapped.refused.len(), 1);
}

#[test]
fn levels_are_totals_in_each_series() {
    let seen = delta(|provider| {
        let level = provider.meter("m").i64_up_down_counter("InFlight").build();
        level.add(5, &[source("ec2"), KeyValue::new("queue", "a")]);
        level.add(3, &[source("ec2"), KeyValue::new("queue", "b")]);
        level.add(-2, &[source("replay")]);
        provider.force_flush().unwrap();
        level.add(1, &[source("replay")]);
    });
    // Of the second collection: still the level, not the change.
    let store = stored(&seen);
    assert_eq!(store.values("InFlight", &[]), [(7.0, 1)]);
    assert_eq!(store.values("InFlight", &[("Source", "ec2")]), [(8.0, 1)]);
    assert_eq!(store.values("InFlight", &[("Source", "replay")]), [(-1.0, 1)]);
}

#[test]
fn what_cloudwatch_does_not_take_is_counted_and_dropped() {
    let seen = delta(|provider| {
        let gauge = provider.meter("m").f64_gauge("Level").build();
        gauge.record(f64::NAN, &[source("ec2")]);
        gauge.record(f64::INFINITY, &[source("replay")]);
        gauge.record(1e300, &[source("local")]);
        gauge.record(1.0, &[source("lambda")]);
    });
    assert_eq!(stored(&seen).values("Level", &[]), [(1.0, 1)]);
    // The SDK keeps NaN and infinity to itself, and 1e300 not.
    assert_eq!((seen.mapped.datums.len(), seen.mapped.tally.dropped), (1, 1));
}

#[test]
fn a_counter_that_overflows_does_not_take_others_with_it() {
    let seen = delta(|provider| {
        let counter = provider.meter("m").f64_counter("Sum").build();
        counter.add(f64::MAX, &[KeyValue::new("part", 1)]);
        counter.add(f64::MAX, &[KeyValue::new("part", 1)]);
        counter.add(2.0, &[KeyValue::new("part", 2)]);
    });
    assert_eq!(stored(&seen).values("Sum", &[]), [(2.0, 1)]);
    assert_eq!(seen.mapped.tally.dropped, 1);
}

#[test]
fn the_overflow_of_attributes_counts_without_a_source_only() {
    let seen = delta(|provider| {
        let counter = provider.meter("m").u64_counter("Many").build();
        for i in 0..2100 {
            counter.add(1, &[source("ec2"), KeyValue::new("id", i)]);
        }
    });
    let store = stored(&seen);
    assert_eq!(seen.mapped.tally.overflowed, 1);
    assert_eq!(sum(&store.values("Many", &[])), 2100.0);
    assert_eq!(sum(&store.values("Many", &[("Source", "ec2")])), 2000.0);
}

#[test]
fn histograms_without_smallest_and_largest_keep_count_and_sum() {
    let aggregation = Aggregation::ExplicitBucketHistogram { boundaries: vec![10.0, 100.0], record_min_max: false };
    let seen = collect(by_source(), Temporality::Delta, Some(aggregation), |provider| {
        let histogram = provider.meter("m").u64_histogram("Size").with_unit("By").build();
        for size in [5, 7, 20, 200, 400] {
            histogram.record(size, &[]);
        }
    });
    let values = stored(&seen[0]).values("Size", &[]);
    assert_eq!(count(&values), 5);
    assert!((sum(&values) - 632.0).abs() < 1e-9, "{values:?}");
    assert!(values.iter().all(|(value, _)| *value > 0.0), "{values:?}");
}

#[test]
fn histograms_without_buckets_keep_count_sum_and_ends() {
    let aggregation = Aggregation::ExplicitBucketHistogram { boundaries: vec![], record_min_max: true };
    let seen = collect(by_source(), Temporality::Delta, Some(aggregation), |provider| {
        let histogram = provider.meter("m").f64_histogram("Size").build();
        for size in [5.0, 7.0, 12.0, 40.0] {
            histogram.record(size, &[]);
        }
    });
    assert_eq!(stored(&seen[0]).values("Size", &[]), [(5.0, 1), (9.5, 2), (40.0, 1)]);
}

#[test]
fn units_are_converted() {
    let seen = delta(|provider| {
        provider.meter("m").f64_histogram("Pause").with_unit("ns").build().record(2500.0, &[]);
    });
    let store = stored(&seen);
    assert_eq!(store.values("Pause", &[]), [(2.5, 1)]);
    assert!(store.0.keys().all(|((_, unit, _), _)| unit == "Microseconds"));
}

#[test]
fn a_metric_called_like_its_dimension_is_refused_and_others_are_not() {
    let seen = delta(|provider| {
        provider.meter("m").u64_counter("Source").build().add(1, &[source("ec2")]);
        provider.meter("m").u64_counter("Fine").build().add(1, &[source("ec2")]);
    });
    assert!(matches!(&seen.mapped.refused[..], [MapError::Datum { metric, .. }] if metric == "Source"));
    assert_eq!(seen.mapped.datums.len(), 1);
}
