//! The events that AWS publishes as samples: none of their messages announces a task, and most are none of SQS.

#[expect(dead_code, reason = "the other tests need more of it")]
#[path = "batches/bench.rs"]
mod bench;

use serde_json::{Value, json};
use taskwatch_core::metric::Metric;
use taskwatch_core::task::Status::Completed;
use taskwatch_sqs_lambda::{InvocationError, Report};
use taskwatch_testbed::Sample;

use crate::bench::Bench;

fn sample(sample: Sample) -> Value {
    sample.read().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// The sample of a standard queue with what SQS adds for a FIFO queue, of which AWS publishes none.
fn fifo() -> Value {
    let mut event = sample(Sample::Sqs);
    let record = &mut event["Records"][0];
    record["eventSourceARN"] =
        json!(format!("{}.fifo", record["eventSourceARN"].as_str().expect("it names its queue")));
    record["attributes"]["SequenceNumber"] = json!("18849496460467696128");
    record["attributes"]["MessageGroupId"] = json!("1");
    record["attributes"]["MessageDeduplicationId"] = json!("1");
    event
}

#[test]
fn messages_that_announce_nothing_are_kept_counted_and_explained() {
    for (event, why) in [
        (sample(Sample::Sqs), "the body has no `task_id` (it has: a, b)"),
        (sample(Sample::SqsText), "the body is not JSON"),
        (fifo(), "the body has no `task_id` (it has: a, b)"),
    ] {
        let bench = Bench::new();
        assert_eq!(bench.work(&event), Ok(vec!["MessageID_1".to_owned()]), "{event}");
        assert_eq!(bench.count(Metric::MessagesRejected), 1);
        match Bench::reporting(Report::WholeBatch).work(&event) {
            Err(InvocationError::Failed { failed: 1, all: 1, first }) => {
                assert!(first.contains("MessageID_1") && first.contains(why), "{first}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_sample_with_an_announcement_for_its_body_is_worked() {
    for mut event in [sample(Sample::Sqs), sample(Sample::SqsText), fifo()] {
        let bench = Bench::new();
        let [task] = bench.add(["fine"]);
        event["Records"][0]["body"] = json!(json!({ "task_id": task }).to_string());
        assert_eq!(bench.work(&event), Ok(vec![]), "{event}");
        assert_eq!(bench.statuses(), [Completed]);
    }
}

#[test]
fn events_of_others_fail_the_invocation_and_are_told_by_what_they_are() {
    for other in Sample::ALL {
        let telltale = match other {
            Sample::Sqs | Sample::SqsText => continue,
            Sample::SqsReceived => "what SQS answers to a receive call",
            Sample::Sns => "record 0 is from aws:sns",
            Sample::S3 => "record 0 is from aws:s3",
            Sample::Kinesis => "record 0 is from aws:kinesis",
            Sample::DynamoDb => "record 0 is from aws:dynamodb",
            Sample::FunctionUrl | Sample::ApiGatewayV2 | Sample::ApiGatewayV2Iam => "a function URL or an HTTP API",
            Sample::ApiGatewayV1 | Sample::ApiGatewayV1CatchAll | Sample::ApiGatewayConsole => "a REST API",
            Sample::Alb | Sample::AlbMultiValue => "a load balancer",
            Sample::EventBridge | Sample::Schedule => "an event of EventBridge",
        };
        let bench = Bench::new();
        match bench.work(&sample(other)) {
            Err(error @ InvocationError::Event(_)) => {
                let text = error.to_string();
                assert!(text.contains(telltale), "{other:?}: {text}");
            }
            answer => panic!("{other:?}: {answer:?}"),
        }
        assert!(bench.begun().is_empty());
    }
}
