//! What the Python system announces a task with: its JSON, as SNS wraps it for a queue.

use serde_json::json;

use super::tasks::{DESCRIPTION, TITLE};

/// The body of a message.
pub(super) fn body(task: i64) -> String {
    let body = json!({
        "Type": "Notification",
        "MessageId": format!("1f7c1f1e-92ab-5a0b-9d5f-{task:012x}"),
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:new-task-notification",
        "Subject": "New Task Added",
        "Message": json!({ "task_id": task, "title": TITLE, "description": DESCRIPTION }).to_string(),
        "Timestamp": "2026-11-22T10:15:30.123Z",
        "SignatureVersion": "1",
        "Signature": "b2xkIGJ1dCBub3QgZ29sZA==".repeat(14),
        "SigningCertURL":
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0000000000000000000000.pem",
        "UnsubscribeURL":
            "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:123456789012:\
             new-task-notification:c9135db0-26c4-47ec-8998-413945fb5a96",
    });
    body.to_string()
}
