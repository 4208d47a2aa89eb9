//! An API on a store in memory, whose faults are scripted.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::Relay;
use taskwatch_core::policy::Policy;
use taskwatch_core::ports::{
    AttemptInfo, Decide, Failure, Filter, Handler, Inserted, Lease, Record, Records, Seen, Select, Store, StoreError,
};
use taskwatch_core::task::{NewTask, Task, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_http_intake::{Intake, Options, router};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy, VirtualClock};
use tower::ServiceExt as _;

/// When everything happens: 2026-11-23T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_435_200_000_000);

/// What the store does next instead of its work.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Fails, without having done anything.
    Fails(StoreError),
    /// Does its work, and says that it does not know.
    Loses,
    /// Panics.
    Panics,
    /// Never answers.
    Hangs,
}

/// A store in memory with a script of faults, taken from the front.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) rows: MemoryStore,
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
}

impl Scripted {
    /// Whether the answer is to be lost; fails, panics or hangs where that comes next.
    async fn next(&self) -> Result<bool, StoreError> {
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            if faults.is_empty() { None } else { Some(faults.remove(0)) }
        };
        match fault {
            None => Ok(false),
            Some(Fault::Fails(error)) => Err(error),
            Some(Fault::Loses) => Ok(true),
            Some(Fault::Panics) => panic!("the store panics, as the test wants it"),
            Some(Fault::Hangs) => std::future::pending().await,
        }
    }

    async fn with<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let lost = self.next().await?;
        let answer = work.await?;
        if lost { Err(StoreError::Unknown("secret-host went away".to_owned())) } else { Ok(answer) }
    }
}

#[async_trait]
impl Store for Scripted {
    async fn insert(&self, tasks: &[NewTask], origin: &Origin, now: Timestamp) -> Result<Vec<Inserted>, StoreError> {
        self.with(self.rows.insert(tasks, origin, now)).await
    }

    async fn transact(&self, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, StoreError> {
        self.with(self.rows.transact(select, decide)).await
    }

    async fn extend(&self, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, StoreError> {
        self.with(self.rows.extend(leases, until)).await
    }
}

#[async_trait]
impl Records for Scripted {
    async fn list(&self, filter: &Filter) -> Result<Vec<TaskRow>, StoreError> {
        self.with(self.rows.list(filter)).await
    }

    async fn records(&self, after: Option<TaskId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.with(self.rows.records(after, limit)).await
    }

    async fn any_open(&self) -> Result<bool, StoreError> {
        self.with(self.rows.any_open()).await
    }

    async fn record(&self, task: TaskId) -> Result<Option<Record>, StoreError> {
        self.with(self.rows.record(task)).await
    }
}

struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn handle(&self, _: &Task, _: &AttemptInfo) -> Result<(), Failure> {
        Err(Failure::retry("nothing works here"))
    }
}

/// An engine on any store.
pub(crate) fn engine(store: Arc<dyn Store>, observer: Arc<CountingObserver>) -> Arc<Engine> {
    let parts = Parts {
        store,
        handler: Arc::new(Nothing),
        clock: Arc::new(VirtualClock::new(NOW)),
        entropy: Arc::new(SeededEntropy::new(1)),
        observer,
        origin: Origin::new(Source::Local, "api"),
        policy: Policy::default(),
    };
    Arc::new(Engine::new(parts).unwrap())
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Makes sure that it is a problem with this status, and answers its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert_eq!(problem.as_object().unwrap().len(), 4, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// The API, its store and who is told.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) store: Scripted,
    pub(crate) observer: Arc<CountingObserver>,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), None)
    }

    pub(crate) fn with(options: Options, relay: Option<Arc<Relay>>) -> Self {
        let (store, observer) = (Scripted::default(), Arc::new(CountingObserver::default()));
        let engine = engine(Arc::new(store.clone()), Arc::clone(&observer));
        let router = router(Intake { engine, records: Arc::new(store.clone()), relay, options });
        Self { router, store, observer }
    }

    /// What the store does next instead of its work.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.store.faults.lock().unwrap().extend(faults);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// POSTs as JSON, with further headers.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with(path, &[], body.to_string()).await
    }

    /// Adds a task; it must succeed. Answers its id.
    pub(crate) async fn add(&self, title: &str) -> i64 {
        let answer = self.post("/tasks", serde_json::json!({ "title": title })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["task_id"].as_i64().unwrap()
    }

    /// How many tasks there are.
    pub(crate) fn count(&self) -> usize {
        self.store.rows.snapshot().len()
    }
}

/// Waits until it is so.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it did not happen in time");
}
