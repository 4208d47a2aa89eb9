//! The exporter under the SDK's own reader.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use taskwatch_otel_cloudwatch::emf::Emf;
use taskwatch_otel_cloudwatch::{EmfExporter, Mapping, REMEMBERED, Series};

use super::common::{Store, count, ranks, read_lines, sum};

/// What was written, a `write` call each; refuses while `broken`.
#[derive(Debug, Clone, Default)]
struct Out {
    written: Arc<Mutex<Vec<String>>>,
    broken: Arc<Mutex<bool>>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if *self.broken.lock().unwrap() {
            return Err(io::Error::other("pipe closed"));
        }
        self.written.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out {
    fn store(&self) -> Store {
        let text = self.written.lock().unwrap().concat();
        assert!(text.is_empty() || text.ends_with('\n'));
        read_lines(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }
}

fn exporter() -> (EmfExporter<Out>, SdkMeterProvider, Out) {
    let out = Out::default();
    let mapping = Mapping::new(Series::none().plain().by([("source", "Source")]).unwrap());
    let exporter = EmfExporter::new(Emf::default(), mapping, out.clone());
    let provider = SdkMeterProvider::builder().with_reader(exporter.reader()).build();
    (exporter, provider, out)
}

#[test]
fn a_flush_writes_all_lines_at_once_and_an_idle_one_nothing() {
    let (exporter, provider, out) = exporter();
    provider.force_flush().unwrap();
    let counter = provider.meter("m").u64_counter("TasksStarted").with_unit("{task}").build();
    for source in ["lambda", "replay"] {
        counter.add(2, &[KeyValue::new("source", source)]);
    }
    provider.force_flush().unwrap();
    provider.force_flush().unwrap();
    let written = out.written.lock().unwrap().clone();
    assert_eq!(written.iter().map(|text| text.lines().count()).collect::<Vec<_>>(), [2]);
    assert_eq!(sum(&out.store().values("TasksStarted", &[])), 4.0);
    let exported = exporter.exported();
    assert_eq!((exported.lines, exported.bytes, exported.lost_lines), (2, written[0].len() as u64, 0));
}

#[test]
fn shutting_down_writes_what_is_left() {
    let (_, provider, out) = exporter();
    provider.meter("m").u64_counter("A").build().add(1, &[]);
    provider.shutdown().unwrap();
    assert_eq!(sum(&out.store().values("A", &[])), 1.0);
    assert!(provider.force_flush().is_err());
}

#[test]
fn few_measurements_are_written_as_they_are_and_many_by_their_buckets() {
    let (exporter, provider, out) = exporter();
    let exact = exporter.exact();
    let histogram = provider.meter("m").f64_histogram("TaskDuration").with_unit("ms").build();
    let attributes = [KeyValue::new("source", "lambda")];
    let record = |samples: &[f64]| {
        out.written.lock().unwrap().clear();
        for sample in samples {
            histogram.record(*sample, &attributes);
            exact.record("TaskDuration", *sample, &attributes);
        }
        provider.force_flush().unwrap();
        let values = out.store().values("TaskDuration", &[]);
        assert_eq!(count(&values), samples.len() as u64);
        assert!((sum(&values) - samples.iter().sum::<f64>()).abs() < 1e-6);
        ranks(&values)
    };
    let few: Vec<f64> = (0..REMEMBERED).map(|i| 1.0 + 1.07f64.powi(i32::try_from(i).unwrap())).collect();
    assert_eq!(record(&few), few);
    assert_eq!(out.written.lock().unwrap().concat().lines().count(), 1);
    let more: Vec<f64> = few.iter().copied().chain([2000.0]).collect();
    assert_ne!(record(&more), more);
    assert_eq!(record(&few[..3]), few[..3]);
}

#[test]
fn what_is_remembered_of_another_moment_is_not_used() {
    let (exporter, provider, out) = exporter();
    let histogram = provider.meter("m").f64_histogram("TaskDuration").build();
    // As if an export had come between the two.
    exporter.exact().record("TaskDuration", 70.0, &[]);
    histogram.record(5.0, &[]);
    provider.force_flush().unwrap();
    assert_eq!(out.store().values("TaskDuration", &[]), [(5.0, 1)]);
}

#[test]
fn what_cannot_be_written_is_counted_and_not_written_again() {
    let (exporter, provider, out) = exporter();
    let counter = provider.meter("m").u64_counter("A").build();
    counter.add(1, &[]);
    *out.broken.lock().unwrap() = true;
    assert!(provider.force_flush().is_err());
    *out.broken.lock().unwrap() = false;
    counter.add(2, &[]);
    provider.force_flush().unwrap();
    assert_eq!(out.store().values("A", &[]), [(2.0, 1)]);
    assert_eq!((exporter.exported().lost_lines, exporter.exported().lines), (1, 1));
}

#[test]
fn a_refused_metric_fails_the_flush_and_others_are_written() {
    let (exporter, provider, out) = exporter();
    let meter = provider.meter("m");
    meter.u64_counter("Source").build().add(1, &[KeyValue::new("source", "ec2")]);
    meter.u64_counter("Fine").build().add(1, &[KeyValue::new("source", "ec2")]);
    assert!(provider.force_flush().is_err());
    assert_eq!(sum(&out.store().values("Fine", &[])), 1.0);
    assert_eq!(exporter.exported().refused, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_flush_on_the_only_thread_of_a_runtime_comes_back() {
    let (_, provider, out) = exporter();
    provider.meter("m").u64_counter("A").build().add(1, &[]);
    provider.force_flush().unwrap();
    assert_eq!(sum(&out.store().values("A", &[])), 1.0);
}

#[test]
fn a_reader_of_the_users_own_works_too() {
    let out = Out::default();
    let exporter = EmfExporter::new(Emf::new("Mine").unwrap(), Mapping::default(), out.clone());
    let provider = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter).build()).build();
    provider.meter("m").u64_counter("A").build().add(1, &[]);
    provider.force_flush().unwrap();
    assert!(out.written.lock().unwrap()[0].contains(r#""Namespace":"Mine""#));
}
