//! The event that Lambda makes of a batch: what SNS wrapped, in what SQS delivered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::tasks::{DESCRIPTION, TITLE};

/// With a record for each task, announced as the Python system announces it.
pub(super) fn batch(ids: &[i64]) -> Arc<str> {
    let records = ids.iter().map(|id| record(*id)).collect::<Vec<_>>();
    json!({ "Records": records }).to_string().into()
}

fn record(id: i64) -> Value {
    let body = json!({
        "Type": "Notification",
        "MessageId": format!("1f7c1f1e-92ab-5a0b-9d5f-{id:012x}"),
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:new-task-notification",
        "Subject": "New Task Added",
        "Message": json!({ "task_id": id, "title": TITLE, "description": DESCRIPTION }).to_string(),
        "Timestamp": "2026-11-22T10:15:30.123Z",
        "SignatureVersion": "1",
        "Signature": "b2xkIGJ1dCBub3QgZ29sZA==".repeat(14),
        "SigningCertURL":
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0000000000000000000000.pem",
        "UnsubscribeURL":
            "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:123456789012:\
             new-task-notification:c9135db0-26c4-47ec-8998-413945fb5a96",
    });
    json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{id:012x}"),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(10),
        "body": body.to_string(),
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
