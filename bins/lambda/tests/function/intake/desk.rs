//! The deployed function, and what it is asked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_testbed::{Aws, Queue, python};
use ureq::http::{Request, Response};

use crate::support::{Database, TEST, call, server};

/// Cold starts on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Desk {
    pub(crate) aws: &'static Aws,
    pub(crate) database: Database,
    pub(crate) function: String,
    pub(crate) topic: String,
    /// Subscribed to the topic.
    pub(crate) queue: Queue,
    agent: ureq::Agent,
}

impl Desk {
    /// The function with its topic, and these settings beside.
    pub(crate) fn deployed(more: &[(&str, &str)]) -> Self {
        let aws = Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"));
        let topic = aws.create_topic(&Aws::unique("topic")).expect(TEST);
        let queue = aws.create_queue(&Aws::unique("queue"), &[]).expect(TEST);
        aws.subscribe(&topic, &queue, false).expect(TEST);
        let database = Database::on(server());
        database.with_store(async |store| store.migrate().await.expect(TEST));
        let mut environment = database.settings();
        environment["TASKWATCH_LAMBDA_ROLE"] = json!("intake");
        environment["TASKWATCH_ANNOUNCE_TARGET"] = json!(topic);
        environment["TASKWATCH_ANNOUNCE_WITHIN"] = json!("20s");
        for (name, value) in aws.environment().iter().chain(more) {
            environment[*name] = json!(value);
        }
        let function = Aws::unique("intake");
        let binary = env!("CARGO_BIN_EXE_bootstrap");
        call(aws, &function, "create", &json!({ "binary": binary, "environment": environment, "timeout": 30 }));
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Self { aws, database, function, topic, queue, agent }
    }

    /// Puts one of `fronts.py` in front of it; answers the address.
    pub(crate) fn behind(&self, front: &str) -> String {
        let arn = format!("arn:aws:lambda:{}:000000000000:function:{}", self.aws.region(), self.function);
        let made = Command::new(python().unwrap_or_else(|error| panic!("failed to {error}")))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/function/intake/fronts.py"))
            .args([front, &self.function, &arn])
            .envs(self.aws.environment())
            .output()
            .expect(TEST);
        assert!(made.status.success(), "{front}: {}", String::from_utf8_lossy(&made.stderr));
        format!("{}{}", self.aws.endpoint(), String::from_utf8(made.stdout).expect(TEST))
    }

    /// Invokes the function without anything in front of it.
    pub(crate) fn invoke(&self, payload: &Value) -> Value {
        call(self.aws, &self.function, "invoke", &json!({ "payload": payload }))
    }

    pub(crate) fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url).body(String::new()).expect(TEST))
    }

    pub(crate) fn post(&self, url: &str, body: &Value) -> Answer {
        self.send(Request::post(url).header("content-type", "application/json").body(body.to_string()).expect(TEST))
    }

    pub(crate) fn send(&self, request: Request<String>) -> Answer {
        let asked = format!("{} {}", request.method(), request.uri());
        let mut response = self.agent.run(request).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let body = response.body_mut().read_to_string().unwrap_or_else(|error| panic!("{asked}: {error}"));
        Answer { asked, response: response.map(|_| ()), body }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // The stand-in may be that of other tests as well. One that panics has said enough.
        if !std::thread::panicking() {
            call(self.aws, &self.function, "remove", &json!({}));
        }
    }
}

pub(crate) struct Answer {
    asked: String,
    response: Response<()>,
    body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, of an answer with this status.
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.response.status().as_u16(), status, "{}: {}", self.asked, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.body))
    }

    /// The detail of a problem with this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let problem = self.json(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.asked);
        assert_eq!(problem["status"], status, "{}", self.asked);
        problem["detail"].as_str().unwrap_or_default().to_owned()
    }
}
