//! The system that users have today: `add.py` behind a Function URL, `process.py` behind the queue.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use taskwatch_testbed::{Aws, MariaDb, Queue};

use crate::scene::Api;
use crate::support::{TEST, call};

/// The table as that system made it.
pub(crate) const TABLE: &str = "CREATE TABLE tasks (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(255) NOT NULL, \
     description TEXT, status VARCHAR(50) DEFAULT 'Pending')";

/// How long it works on a task, in seconds.
const WORK_SECONDS: &str = "0.02";

pub(crate) struct Old {
    aws: &'static Aws,
    add: String,
    process: String,
    /// Another process function.
    other: String,
    environment: Value,
    /// Its Function URL.
    pub(crate) api: Api,
}

/// What the process function says that it did.
pub(crate) struct Told {
    pub(crate) completed: BTreeSet<i64>,
    /// Begun and left behind.
    pub(crate) left: BTreeSet<i64>,
    /// What else went wrong.
    pub(crate) errors: Vec<String>,
}

impl Old {
    pub(crate) fn deploy(aws: &'static Aws, server: &MariaDb, database: &str, topic: &str) -> Self {
        let environment = json!({
            "DB_HOST": server.host(),
            "DB_PORT": server.port().to_string(),
            "DB_USER": server.user(),
            "DB_PASSWORD": server.password(),
            "DB_NAME": database,
            "TOPIC_ARN": topic,
            "WORK_SECONDS": WORK_SECONDS,
        });
        let [add, process, other] = ["old-add", "old-process", "old-other"].map(Aws::unique);
        create(aws, &add, "add.py", &environment);
        create(aws, &process, "process.py", &environment);
        let url = call(aws, &add, "expose", &json!({}));
        let api = Api::at(&format!("{}/_aws/lambda-url/{}", aws.endpoint(), url.as_str().expect(TEST)));
        Self { aws, add, process, other, environment, api }
    }

    /// Has the queue processed by it: nobody has told the mapping to look for failures.
    pub(crate) fn map(&self, queue: &Queue) {
        map(self.aws, &self.process, queue);
    }

    /// Has it processed by another of its kind as well.
    pub(crate) fn map_another(&self, queue: &Queue) {
        create(self.aws, &self.other, "process.py", &self.environment);
        map(self.aws, &self.other, queue);
    }

    /// A test event of the console for the add function.
    pub(crate) fn test_event(&self, event: &Value) -> Value {
        call(self.aws, &self.add, "invoke", &json!({ "payload": event }))["payload"].clone()
    }

    /// Invokes the process function with a batch of one, as if this had come from the topic.
    pub(crate) fn process(&self, message: &Value) -> Value {
        let body = json!({ "Type": "Notification", "Message": message.to_string() }).to_string();
        let batch = json!({ "Records": [{ "messageId": "1", "body": body, "eventSource": "aws:sqs" }] });
        call(self.aws, &self.process, "invoke", &json!({ "payload": batch }))["payload"].clone()
    }

    pub(crate) fn told(&self) -> Told {
        let log = call(self.aws, &self.process, "log", &json!({}));
        let mut told = Told { completed: BTreeSet::new(), left: BTreeSet::new(), errors: Vec::new() };
        for line in log.as_str().expect(TEST).lines().map(str::trim) {
            let id = |text: &str| text.parse().expect(TEST);
            if let Some(task) = line.strip_prefix("Task ").and_then(|rest| rest.strip_suffix(" completed")) {
                told.completed.insert(id(task));
            } else if let Some(task) = line.strip_prefix("Error processing task: cannot work task ") {
                told.left.insert(id(task));
            } else if line.contains("rror") {
                told.errors.push(line.to_owned());
            }
        }
        told
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        crate::scene::remove(self.aws, [&self.add, &self.process, &self.other]);
    }
}

fn create(aws: &Aws, name: &str, source: &str, environment: &Value) {
    let source = format!("{}/tests/side_by_side/{source}", env!("CARGO_MANIFEST_DIR"));
    call(aws, name, "create_python", &json!({ "source": source, "environment": environment, "timeout": 20 }));
}

fn map(aws: &Aws, function: &str, queue: &Queue) {
    call(aws, function, "map_queue", &json!({ "queue": queue.arn, "partial": false, "batch": 10 }));
}
