//! Queues of dead letters on the stand-in for AWS.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_testbed::{Aws, Queue};

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// A queue of dead letters that nobody else uses.
pub(crate) fn letters(fifo: bool) -> Queue {
    let end = if fifo { ".fifo" } else { "" };
    aws().create_queue(&format!("{}{end}", Aws::unique("tasks-dead")), &[]).unwrap()
}

/// Sends a letter about a task.
pub(crate) fn send(queue: &Queue, task: i64) {
    let mut request = json!({
        "QueueUrl": queue.url,
        "MessageBody": body(task),
        "MessageAttributes": {
            "TaskwatchReason": { "DataType": "String", "StringValue": format!("failed for good: exit status {task}") },
            "photo": { "DataType": "Binary", "BinaryValue": "AAEC" },
        },
    });
    if queue.url.ends_with(".fifo") {
        request["MessageGroupId"] = "blue".into();
        request["MessageDeduplicationId"] = format!("letter-{task}").into();
    }
    aws().sqs("SendMessage", &request).unwrap();
}

pub(crate) fn body(task: i64) -> String {
    json!({ "task_id": task, "title": format!("letter {task}"), "priority": task }).to_string()
}

/// Takes so many messages off a queue; their bodies, in the order in which they came.
pub(crate) fn drain(queue: &Queue, count: usize) -> Vec<String> {
    let bodies = aws().drain(queue, count).unwrap();
    bodies.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
}

/// Nothing is on the queue, visible or hidden.
pub(crate) fn is_empty(queue: &Queue) -> bool {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let request = json!({ "QueueUrl": queue.url, "AttributeNames": names });
    let answer = aws().sqs("GetQueueAttributes", &request).unwrap();
    names.iter().all(|name| answer["Attributes"][name] == "0")
}

/// Receives what is there and puts it back at once, again and again, until the queue's redrive has taken it away.
pub(crate) fn poison(queue: &Queue) {
    loop {
        let messages: Vec<Value> = aws().receive(queue, 10, Duration::ZERO).unwrap();
        if messages.is_empty() {
            return;
        }
        for message in messages {
            let request = json!({
                "QueueUrl": queue.url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0,
            });
            aws().sqs("ChangeMessageVisibility", &request).unwrap();
        }
    }
}
