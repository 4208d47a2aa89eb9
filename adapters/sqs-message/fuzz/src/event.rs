//! The bytes as an event of Lambda, and as a message in one: while no row exists, nothing at all may be deleted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{AttemptInfo, Clock as _, Failure, Handler, Notice, Observer};
use taskwatch_core::task::Task;
use taskwatch_sqs_lambda::{Batches, InvocationError, Options, Report, SqsBatchResponse};
use taskwatch_testkit::{MemoryStore, SeededEntropy, VirtualClock};

use crate::reason;

pub(crate) fn check(text: &str) {
    let queue = Queue::new();
    for arn in ["arn:aws:sqs:eu-west-1:1:tasks", "arn:aws:sqs:eu-west-1:1:tasks.fifo"] {
        let record = json!({ "messageId": "id", "body": text, "eventSource": "aws:sqs", "eventSourceARN": arn });
        let answer = queue.work(&json!({ "Records": [record] }));
        assert_eq!(answer.map(kept), Ok(vec!["id".to_owned()]));
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    check_event(&queue, &value);
    check_event(&queue, &json!({ "Records": [value, { "messageId": "other", "body": text }] }));
}

/// Either the invocation fails, or the response names every message, each of them once.
fn check_event(queue: &Queue, event: &Value) {
    match queue.work(event) {
        Ok(response) => {
            let records = event["Records"].as_array().expect("an event has records");
            let mut names = BTreeSet::new();
            for record in records {
                let name = ["messageId", "MessageId", "message_id"].iter().find_map(|name| record.get(name)?.as_str());
                names.insert(name.expect("a message without an id is refused").to_owned());
            }
            let mut kept = kept(response);
            kept.sort_unstable();
            assert!(kept.iter().eq(&names), "{kept:?} of {names:?}");
        }
        Err(error) => reason::check(&error.to_string()),
    }
}

fn kept(response: SqsBatchResponse) -> Vec<String> {
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// A function on a database without rows.
struct Queue {
    clock: VirtualClock,
    batches: Batches,
}

impl Queue {
    fn new() -> Self {
        let clock = VirtualClock::default();
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            handler: Arc::new(Nothing),
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: Arc::new(Nothing),
            origin: Origin::new(Source::Lambda, "fuzz"),
            policy: Policy::default(),
        };
        let options = Options { report: Report::Partial, margin: Policy::default().drain * 2 };
        let engine = Engine::new(parts).expect("the default policy works");
        Self { clock, batches: Batches::new(Arc::new(engine), options).expect("the drain fits") }
    }

    fn work(&self, event: &Value) -> Result<SqsBatchResponse, InvocationError> {
        self.clock.run(self.batches.work(event, self.clock.now() + Duration::from_secs(900)))
    }
}

/// Is told nothing, and has nothing to work.
struct Nothing;

impl Observer for Nothing {
    fn notice(&self, _: &Notice<'_>) {}
}

#[async_trait]
impl Handler for Nothing {
    async fn handle(&self, task: &Task, _: &AttemptInfo) -> Result<(), Failure> {
        panic!("there is no row {:?} that it could have started", task.id);
    }
}
