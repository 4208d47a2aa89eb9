//! Announcements: soon after the commit, and never in the way of the answer.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use taskwatch_core::outbox::{Announcement, Announcer, Outbox, Relay};
use taskwatch_core::ports::StoreError;
use taskwatch_core::task::{Task, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_handlers::TokioClock;
use taskwatch_http_intake::Options;

use crate::support::Api;

/// How the broker takes an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broker {
    Up,
    Down,
    Hangs,
    Panics,
    /// The outbox itself cannot be asked.
    OutboxFails,
}

/// An outbox with one announcement, and the broker for it.
struct Post {
    broker: Mutex<Broker>,
    waiting: Mutex<Vec<Announcement>>,
    announced: Mutex<Vec<i64>>,
}

impl Post {
    fn new() -> Arc<Self> {
        let task = Task { id: TaskId::try_from(1).unwrap(), title: "t".to_owned(), description: None };
        let waiting = vec![Announcement { number: 7, task, trace: None }];
        Arc::new(Self { broker: Broker::Up.into(), waiting: waiting.into(), announced: Mutex::default() })
    }

    fn set(&self, broker: Broker) {
        *self.broker.lock().unwrap() = broker;
    }

    fn announced(&self) -> Vec<i64> {
        self.announced.lock().unwrap().clone()
    }

    fn api(self: &Arc<Self>) -> Api {
        let relay = Relay::new(self.clone(), self.clone(), Arc::new(TokioClock), Duration::from_secs(60));
        let options = Options { announce_within: Duration::from_millis(700), ..Options::default() };
        Api::with(options, Some(Arc::new(relay)))
    }
}

#[async_trait]
impl Outbox for Post {
    async fn take(&self, _: usize, _: Timestamp, _: Timestamp) -> Result<Vec<Announcement>, StoreError> {
        if *self.broker.lock().unwrap() == Broker::OutboxFails {
            return Err(StoreError::Unavailable("no outbox".to_owned()));
        }
        Ok(self.waiting.lock().unwrap().clone())
    }

    async fn published(&self, numbers: &[i64]) -> Result<(), StoreError> {
        self.waiting.lock().unwrap().retain(|waiting| !numbers.contains(&waiting.number));
        Ok(())
    }
}

#[async_trait]
impl Announcer for Post {
    async fn announce(&self, announcements: &[Announcement]) -> Vec<Result<(), String>> {
        let broker = *self.broker.lock().unwrap();
        match broker {
            Broker::Up => self.announced.lock().unwrap().extend(announcements.iter().map(|one| one.number)),
            Broker::Hangs => std::future::pending().await,
            Broker::Panics => panic!("the broker's client panics, as the test wants it"),
            Broker::Down | Broker::OutboxFails => {
                return announcements.iter().map(|_| Err("no broker".to_owned())).collect();
            }
        }
        announcements.iter().map(|_| Ok(())).collect()
    }
}

#[tokio::test]
async fn a_task_is_announced_before_the_answer() {
    let post = Post::new();
    let api = post.api();
    api.add("t").await;
    assert_eq!(post.announced(), [7]);
}

#[tokio::test]
async fn the_repetition_of_a_request_announces_what_the_first_could_not() {
    let post = Post::new();
    let api = post.api();
    let key = [("idempotency-key", "k")];
    post.set(Broker::Down);
    assert_eq!(api.post_with("/tasks", &key, r#"{"title": "t"}"#).await.status, 200);
    assert_eq!(post.announced(), [0_i64; 0]);
    post.set(Broker::Up);
    assert_eq!(api.post_with("/tasks", &key, r#"{"title": "t"}"#).await.json()["task_id"], 1);
    assert_eq!((post.announced(), api.count()), (vec![7], 1));
}

#[tokio::test]
async fn whatever_the_broker_does_the_answer_is_the_same_and_in_time() {
    tokio::time::pause();
    for broker in [Broker::Down, Broker::Hangs, Broker::Panics, Broker::OutboxFails] {
        let post = Post::new();
        post.set(broker);
        let api = post.api();
        let begun = tokio::time::Instant::now();
        let answer = api.post("/tasks", json!({ "title": "t" })).await;
        // Virtual time: only a wait for the broker takes any.
        let most = if broker == Broker::Hangs { Duration::from_millis(701) } else { Duration::ZERO };
        assert!(begun.elapsed() <= most, "{broker:?} took {:?}", begun.elapsed());
        assert_eq!(answer.status, 200, "{broker:?}");
        assert_eq!(answer.json(), json!({ "message": "Task added successfully", "task_id": 1 }));
        // It is not lost: the next sweep has it.
        post.set(Broker::Up);
        api.add("another").await;
        assert_eq!(post.announced(), [7], "{broker:?}");
    }
}

#[tokio::test]
async fn nothing_is_announced_that_was_not_added() {
    let post = Post::new();
    let api = post.api();
    api.post("/tasks", json!({ "title": "" })).await.problem(422);
    api.get("/tasks").await;
    assert_eq!(post.announced(), [0_i64; 0]);
}
