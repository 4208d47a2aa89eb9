//! Queues of one's own, and an engine whose handler does what a task's title says.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Value, json};
use taskwatch_core::engine::Engine;
use taskwatch_core::laws::Audit;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::metric::Metric;
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{AttemptInfo, Clock, Failure, Handler};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{NewTask, Status, Task, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_poll::{Options, Parts, SqsSource};
use taskwatch_sqs_queue::SqsQueues;
use taskwatch_testbed::{Aws, Queue};
use taskwatch_testkit::{CountingObserver, MemoryStore, SeededEntropy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How long whatever has to happen may take.
const LONG: Duration = Duration::from_secs(40);

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

pub(crate) async fn queues() -> SqsQueues {
    let keys = Credentials::new("test", "test", None, None, "test");
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(aws().region()))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(aws().endpoint());
    SqsQueues::with(&config.load().await)
}

/// The machine's clock, which the engine takes for the time.
struct Wall;

#[async_trait]
impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}

/// `takes 3` seconds, `fails once`, `hopeless`; anything else is done at once.
#[derive(Default)]
pub(crate) struct ByTitle(Mutex<Vec<TaskId>>);

#[async_trait]
impl Handler for ByTitle {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        self.0.lock().unwrap().push(task.id);
        match task.title.split_once(' ').unwrap_or((&task.title, "")) {
            ("takes", seconds) => sleep(SECOND * seconds.parse().unwrap()).await,
            ("fails", _) if attempt.number == 1 => return Err(Failure::retry_after(SECOND * 2, "not yet")),
            ("hopeless", _) => return Err(Failure::permanent("never")),
            _ => {}
        }
        Ok(())
    }
}

pub(crate) struct Bench {
    pub(crate) queue: Queue,
    pub(crate) dead: Queue,
    pub(crate) store: MemoryStore,
    pub(crate) handler: Arc<ByTitle>,
    pub(crate) told: Arc<CountingObserver>,
    pub(crate) options: Options,
}

/// An engine at work, until it is told to stop.
pub(crate) struct Worker {
    stop: oneshot::Sender<()>,
    driving: JoinHandle<()>,
}

impl Bench {
    pub(crate) fn new(end: &str) -> Self {
        let name = |beginning| format!("{}{end}", Aws::unique(beginning));
        let dead = aws().create_queue(&name("dead"), &[]).unwrap();
        let queue = aws().create_queue_before(&name("tasks"), &dead, 100, &[("VisibilityTimeout", "600")]).unwrap();
        let store = MemoryStore::with_clock(Arc::new(Wall));
        let options = Options { hidden: SECOND * 4, wait: SECOND * 5, ..Options::default() };
        Self { queue, dead, store, handler: Arc::default(), told: Arc::default(), options }
    }

    fn engine(&self) -> Engine {
        Engine::new(taskwatch_core::engine::Parts {
            store: Arc::new(self.store.clone()),
            handler: self.handler.clone(),
            clock: Arc::new(Wall),
            entropy: Arc::new(SeededEntropy::new(1)),
            observer: self.told.clone(),
            origin: Origin::new(Source::Ec2, "test"),
            policy: Policy {
                drain: SECOND,
                lease: SECOND * 3,
                backoff: Backoff { base: SECOND, cap: SECOND },
                retry_delay: SECOND,
                ..Policy::default()
            },
        })
        .unwrap()
    }

    pub(crate) async fn add(&self, titles: &[&str]) -> Vec<TaskId> {
        let tasks: Vec<_> = titles.iter().map(|title| NewTask::titled(*title)).collect();
        self.engine().add(&tasks).await.unwrap().iter().map(taskwatch_core::ports::Inserted::task).collect()
    }

    pub(crate) async fn work(&self) -> Worker {
        let (stop, stopped) = oneshot::channel::<()>();
        let signal = Stop::when(async {
            let _ = stopped.await;
        });
        let parts = Parts {
            calls: Arc::new(queues().await),
            queue: self.queue.arn.clone(),
            payloads: None,
            options: self.options,
            stop: signal.clone(),
        };
        let (engine, source) = (self.engine(), SqsSource::start(parts).unwrap());
        let driving = tokio::spawn(async move {
            engine.drive(&source, &signal).await;
            source.close().await;
        });
        Worker { stop, driving }
    }

    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.store.snapshot().iter().filter_map(|record| record.row.as_ref()?.recorded).collect()
    }

    /// The order in which handlers were started.
    pub(crate) fn begun(&self) -> Vec<TaskId> {
        self.handler.0.lock().unwrap().clone()
    }

    /// Until all tasks are in these states.
    pub(crate) async fn become_so(&self, statuses: &[Status]) {
        self.until(|| self.statuses() == statuses).await;
    }

    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        let watch = async {
            while !is_so() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(LONG, watch).await;
        assert!(waited.is_ok(), "{:?} {:?}", self.statuses(), self.told.troubles());
    }

    /// Until the queue holds nothing, visible or in flight.
    pub(crate) async fn emptied(&self) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let request = json!({ "QueueUrl": self.queue.url, "AttributeNames": names });
        self.until(|| {
            let answer = aws().sqs("GetQueueAttributes", &request).unwrap();
            names.iter().all(|name| answer["Attributes"][name] == "0")
        })
        .await;
    }

    pub(crate) fn count(&self, metric: Metric) -> usize {
        self.told.count(metric)
    }

    pub(crate) fn audit(&self) {
        let mut audit = Audit::new();
        self.store.snapshot().iter().for_each(|record| audit.observe(record));
        let books = audit.finish();
        assert!(books.balanced(), "{:?}", books.offences);
    }
}

impl Worker {
    /// Ends it in peace.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        timeout(LONG, self.driving).await.unwrap().unwrap();
    }

    /// Ends it as a crash does: nothing is given back.
    pub(crate) async fn kill(self) {
        self.driving.abort();
        assert!(self.driving.await.unwrap_err().is_cancelled());
    }
}

pub(crate) fn announcement(task: TaskId) -> String {
    json!({ "task_id": task.get(), "title": "t", "description": null }).to_string()
}

pub(crate) fn send(queue: &Queue, body: &str, more: Value) {
    let mut request = json!({ "QueueUrl": queue.url, "MessageBody": body });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    aws().sqs("SendMessage", &request).unwrap();
}
