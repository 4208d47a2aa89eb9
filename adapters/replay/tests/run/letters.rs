//! Letters as lines of a file.

use serde_json::{Value, json};
use taskwatch_core::task::TaskId;

pub(crate) const STANDARD: &str = "arn:aws:sqs:eu-west-1:000000000000:tasks";
pub(crate) const FIFO: &str = "arn:aws:sqs:eu-west-1:000000000000:tasks.fifo";

/// One that says this.
pub(crate) fn saying(body: &str) -> Value {
    json!({ "body": body, "attributes": {}, "messageAttributes": {} })
}

/// One about this task.
pub(crate) fn about(task: TaskId) -> Value {
    saying(&json!({ "task_id": task }).to_string())
}

/// In this group.
pub(crate) fn grouped(task: TaskId, group: &str) -> Value {
    let mut letter = about(task);
    letter["attributes"]["MessageGroupId"] = json!(group);
    letter
}

/// That had come from this queue.
pub(crate) fn from(mut letter: Value, queue: &str) -> Value {
    letter["messageAttributes"]["TaskwatchSourceQueue"] = json!({ "dataType": "String", "stringValue": queue });
    letter
}

/// One line each, with ids of their own.
pub(crate) fn lines(letters: &[Value]) -> String {
    let mut lines = String::new();
    for (n, letter) in letters.iter().enumerate() {
        let mut letter = letter.clone();
        letter["messageId"] = json!(format!("message-{}", n + 1));
        lines.push_str(&letter.to_string());
        lines.push('\n');
    }
    lines
}
