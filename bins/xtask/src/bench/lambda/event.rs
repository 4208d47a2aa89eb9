//! The event that Lambda makes of a batch: what SNS wrapped, in what SQS delivered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::announcement::body;

/// With a record for each task, announced as the Python system announces it.
pub(super) fn batch(ids: &[i64]) -> Arc<str> {
    let records = ids.iter().map(|id| record(*id)).collect::<Vec<_>>();
    json!({ "Records": records }).to_string().into()
}

fn record(id: i64) -> Value {
    json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{id:012x}"),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(10),
        "body": body(id),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795342530123",
            "SenderId": "AIDAISMY7JYY5F7RTT6AO",
            "ApproximateFirstReceiveTimestamp": "1795342530130",
        },
        "messageAttributes": {},
        "md5OfBody": "2f8c1d1b1c0b0a3b3a5b5c5d5e5f6061",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:task-processing-queue",
        "awsRegion": "eu-west-1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_announces_one_task_within_two_layers_of_text() {
        let event: Value = serde_json::from_str(&batch(&[7, 8])).unwrap();
        let body: Value = serde_json::from_str(event["Records"][1]["body"].as_str().unwrap()).unwrap();
        let message: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        assert_eq!((event["Records"].as_array().unwrap().len(), &message["task_id"]), (2, &json!(8)));
        assert_ne!(event["Records"][0]["messageId"], event["Records"][1]["messageId"]);
    }
}
