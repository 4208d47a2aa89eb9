//! What the tests share: the SDK as a source of collections, and readers of what the sinks write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality};
use taskwatch_otel_cloudwatch::put::PutDatum;
use taskwatch_otel_cloudwatch::{Mapped, Mapping, map};

/// What was exported: the coarsest scale of the exponential histograms of numbers, and what it was mapped to.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) scale: Option<i8>,
    pub(crate) mapped: Mapped,
}

#[derive(Debug, Clone)]
struct Capture {
    mapping: Mapping,
    temporality: Temporality,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl PushMetricExporter for Capture {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let scales =
            metrics.scope_metrics().flat_map(|scope| scope.metrics()).filter_map(|metric| match metric.data() {
                AggregatedMetrics::F64(MetricData::ExponentialHistogram(h)) => h.data_points().map(|p| p.scale()).min(),
                _ => None,
            });
        let seen = Seen { scale: scales.min(), mapped: map(metrics, &self.mapping) };
        self.seen.lock().unwrap().push(seen);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

/// Runs `record` against a provider of the SDK and says what each of its flushes was mapped to.
pub(crate) fn collect(
    mapping: Mapping,
    temporality: Temporality,
    aggregation: Option<Aggregation>,
    record: impl FnOnce(&SdkMeterProvider),
) -> Vec<Seen> {
    let capture = Capture { mapping, temporality, seen: Arc::default() };
    let reader = PeriodicReader::builder(capture.clone()).with_interval(Duration::from_secs(3600)).build();
    let view = move |_: &Instrument| {
        aggregation.clone().and_then(|aggregation| Stream::builder().with_aggregation(aggregation).build().ok())
    };
    let provider = SdkMeterProvider::builder().with_reader(reader).with_view(view).build();
    record(&provider);
    provider.force_flush().unwrap();
    capture.seen.lock().unwrap().clone()
}

/// Name, unit and dimensions of a series.
pub(crate) type Key = (String, String, Vec<(String, String)>);

/// What CloudWatch would hold: by series and time, how often each value occurred.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Store(pub(crate) BTreeMap<(Key, i64), Vec<(f64, u64)>>);

impl Store {
    pub(crate) fn add(&mut self, key: Key, millis: i64, values: impl IntoIterator<Item = (f64, u64)>) {
        let all = self.0.entry((key, millis)).or_default();
        all.extend(values);
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// The values of the series of this name with these dimensions.
    pub(crate) fn values(&self, name: &str, dimensions: &[(&str, &str)]) -> Vec<(f64, u64)> {
        let matches = |key: &Key| {
            key.0 == name && key.2.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(dimensions.iter().copied())
        };
        self.0.iter().filter(|((key, _), _)| matches(key)).flat_map(|(_, values)| values.clone()).collect()
    }
}

/// Reads calls of `PutMetricData` as CloudWatch does.
pub(crate) fn read_calls(calls: &[Vec<PutDatum>]) -> Store {
    let mut store = Store::default();
    for datum in calls.iter().flatten() {
        let dimensions = datum.dimensions.iter().map(|d| (d.name().to_owned(), d.value().to_owned())).collect();
        assert_eq!(datum.values.len(), datum.counts.len());
        let values = datum.values.iter().zip(&datum.counts).map(|(value, count)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative")]
            (*value, *count as u64)
        });
        store.add((datum.name.clone(), datum.unit.as_str().to_owned(), dimensions), datum.millis, values);
    }
    store
}

/// Reads lines as CloudWatch Logs does.
pub(crate) fn read_lines(lines: &[String]) -> Store {
    let mut store = Store::default();
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let millis = line["_aws"]["Timestamp"].as_i64().unwrap();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for set in directive["Dimensions"].as_array().unwrap() {
                let names = set.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let dimensions: Vec<_> =
                    names.map(|name| (name.to_owned(), line[name].as_str().unwrap().to_owned())).collect();
                for metric in directive["Metrics"].as_array().unwrap() {
                    let name = metric["Name"].as_str().unwrap();
                    let unit = metric.get("Unit").map_or("None", |unit| unit.as_str().unwrap());
                    store.add((name.to_owned(), unit.to_owned(), dimensions.clone()), millis, values(&line[name]));
                }
            }
        }
    }
    store
}

fn values(member: &serde_json::Value) -> Vec<(f64, u64)> {
    match member {
        serde_json::Value::Number(one) => vec![(one.as_f64().unwrap(), 1)],
        serde_json::Value::Array(all) => all.iter().map(|value| (value.as_f64().unwrap(), 1)).collect(),
        both => {
            let values = both["Values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
            let counts = both["Counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap());
            assert_eq!(values.len(), counts.len());
            values.zip(counts).collect()
        }
    }
}

/// How many measurements.
pub(crate) fn count(values: &[(f64, u64)]) -> u64 {
    values.iter().map(|(_, count)| count).sum()
}

/// What they add up to.
pub(crate) fn sum(values: &[(f64, u64)]) -> f64 {
    values.iter().map(|(value, count)| value * *count as f64).sum()
}

/// Each measurement by itself, ascending.
pub(crate) fn ranks(values: &[(f64, u64)]) -> Vec<f64> {
    let mut all: Vec<f64> = values.iter().flat_map(|&(value, count)| (0..count).map(move |_| value)).collect();
    all.sort_by(f64::total_cmp);
    all
}
