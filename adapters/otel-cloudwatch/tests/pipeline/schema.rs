//! Lines are what the specification of the embedded metric format says.

use std::collections::HashSet;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{Aggregation, Temporality};
use serde_json::{Value, json};
use taskwatch_otel_cloudwatch::emf::Emf;
use taskwatch_otel_cloudwatch::{Mapping, Series};

use super::common::collect;

fn valid(line: &Value) -> bool {
    let schema: Value = serde_json::from_str(include_str!("emf.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap().is_valid(line)
}

/// What a schema cannot say: what is referred to is there, and no member is there twice.
fn consistent(text: &str) {
    let line: Value = serde_json::from_str(text).unwrap();
    let mut named = HashSet::from(["_aws"]);
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for name in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
            assert!(line[name.as_str().unwrap()].is_string(), "{name}");
            named.insert(name.as_str().unwrap());
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(named.insert(name), "{name} is in two directives");
            assert!(!line[name].is_null() && !line[name].is_string(), "{name}");
        }
    }
    let members: HashSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, named);
    for name in &named {
        assert_eq!(text.matches(&format!("{}:", json!(name))).count(), 1, "{name}");
    }
}

#[test]
fn lines_of_everything_that_the_sdk_measures_follow_the_specification() {
    let mapping = Mapping::new(Series::none().plain().by([("source", "Source")]).unwrap());
    let exponential = Aggregation::Base2ExponentialHistogram { max_size: 320, max_scale: 20, record_min_max: true };
    for aggregation in [None, Some(exponential)] {
        let seen = collect(mapping.clone(), Temporality::Delta, aggregation.clone(), |provider| {
            let meter = provider.meter("m");
            let histogram = meter.f64_histogram("TaskDuration").with_unit("ms").build();
            for (source, most) in [("ec2", 3000), ("replay", 1), ("grün", 2)] {
                for i in 0..most {
                    histogram.record(1.1f64.powi(i % 200), &[KeyValue::new("source", source)]);
                }
            }
            if aggregation.is_none() {
                for i in 0..250 {
                    meter.u64_counter(format!("Counter{i}")).with_unit("{task}").build().add(i, &[]);
                    meter.f64_gauge(format!("Gauge{i}")).build().record(-0.5, &[KeyValue::new("source", "ec2")]);
                }
            }
        });
        let lines = Emf::default().lines(&seen[0].mapped.datums);
        assert!(lines.len() >= 3, "{}", lines.len());
        for text in &lines {
            let line: Value = serde_json::from_str(text).unwrap();
            assert!(valid(&line), "{line}");
            consistent(text);
        }
    }
}

#[test]
fn the_schema_refuses_what_the_specification_forbids() {
    let line = |members: Value, dimensions: Value, metrics: Value| {
        let mut line = json!({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [
            {"Namespace": "N", "Dimensions": dimensions, "Metrics": metrics}]}});
        line.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        line
    };
    let one = json!([{"Name": "M", "Unit": "Count"}]);
    assert!(valid(&line(json!({"M": 1}), json!([[]]), one.clone())));
    assert!(!valid(&line(json!({"M": null}), json!([[]]), one.clone())));
    assert!(!valid(&line(json!({"M": vec![1; 101]}), json!([[]]), one.clone())));
    assert!(!valid(&line(json!({"M": {"Values": [1], "Counts": [0]}}), json!([[]]), one.clone())));
    assert!(!valid(&line(json!({"M": 1}), json!([]), one)));
    assert!(!valid(&line(json!({"M": 1}), json!([[]]), json!([{"Name": "M", "Unit": "tasks"}]))));
    assert!(!valid(&line(json!({"M": 1}), json!([[]]), json!(vec![json!({"Name": "M"}); 101]))));
    let names: Vec<String> = (0..31).map(|i| format!("D{i}")).collect();
    assert!(!valid(&line(json!({"M": 1}), json!([names]), json!([{"Name": "M"}]))));
}
