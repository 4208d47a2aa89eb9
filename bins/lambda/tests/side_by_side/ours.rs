//! Ours: the built `bootstrap` as the API that adds tasks and as the function behind the queue, and the sweeper that
//! `taskwatch run` is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_core::due::DueSource;
use taskwatch_core::engine::{Engine, Parts};
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::policy::{Backoff, Policy};
use taskwatch_core::ports::{Notice, Observer};
use taskwatch_core::stop::Stop;
use taskwatch_handlers::{Command, Spawned, SystemEntropy, TokioClock};
use taskwatch_sql_store::SqlStore;
use taskwatch_testbed::{Aws, Queue};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::scene::Api;
use crate::support::{Database, TEST, call};

/// How long a row is left to the old system: some batches of it.
const ADOPT_AFTER: Duration = Duration::from_secs(2);
const MAX_ATTEMPTS: u32 = 10;

pub(crate) struct Ours {
    aws: &'static Aws,
    /// Its Function URL.
    pub(crate) api: Api,
    intake: String,
    process: String,
    /// What lets both functions in.
    environment: Value,
    command: Vec<String>,
    runtime: Runtime,
    store: SqlStore,
}

impl Ours {
    /// The API on a migrated database; nothing is worked yet. What is worked leaves a line «task attempt» in the file
    /// `effects`.
    pub(crate) fn deploy(aws: &'static Aws, tasks: &Database, topic: &str, effects: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect(TEST);
        let store = runtime.block_on(SqlStore::open(&tasks.options)).expect(TEST);
        let mut environment = tasks.settings();
        for (name, value) in aws.environment() {
            environment[name] = json!(value);
        }
        let (intake, process) = (Aws::unique("intake"), Aws::unique("process"));
        let announced = [
            ("TASKWATCH_LAMBDA_ROLE", "intake"),
            ("TASKWATCH_ANNOUNCE_TARGET", topic),
            // A message that is late would not be waited for.
            ("TASKWATCH_ANNOUNCE_WITHIN", "20s"),
        ];
        create(aws, &intake, &environment, &announced);
        let url = call(aws, &intake, "expose", &json!({}));
        let api = Api::at(&format!("{}/_aws/lambda-url/{}", aws.endpoint(), url.as_str().expect(TEST)));
        let command = ["sh".to_owned(), "-c".to_owned(), work(effects)].to_vec();
        Self { aws, api, intake, process, environment, command, runtime, store }
    }

    /// Has the queue processed.
    pub(crate) fn map(&self, queue: &Queue) {
        let worked = [
            ("TASKWATCH_HANDLER_KIND", "command"),
            ("TASKWATCH_HANDLER_COMMAND", &json!(self.command).to_string()),
            ("TASKWATCH_LAMBDA_REPORT", "partial"),
            ("TASKWATCH_WORKER_BACKOFF_BASE", "1ms"),
            ("TASKWATCH_WORKER_MAX_ATTEMPTS", &MAX_ATTEMPTS.to_string()),
            ("TASKWATCH_WORKER_ADOPT_AFTER", &format!("{}s", ADOPT_AFTER.as_secs())),
        ];
        create(self.aws, &self.process, &self.environment, &worked);
        let mapping = json!({ "queue": queue.arn, "partial": true, "batch": 10 });
        call(self.aws, &self.process, "map_queue", &mapping);
    }

    /// A test event of the console for the API.
    pub(crate) fn test_event(&self, event: &Value) -> Value {
        call(self.aws, &self.intake, "invoke", &json!({ "payload": event }))["payload"].clone()
    }

    /// Sweeps the table until the answer is dropped.
    pub(crate) fn sweep(&self) -> Sweeper<'_> {
        let (end, ended) = oneshot::channel::<()>();
        let stop = Stop::when(async move {
            // Dropped is told as well.
            let _ = ended.await;
        });
        let engine = sweeper(&self.store, &self.command);
        let source = DueSource::new(Arc::clone(&engine), Duration::from_secs(1), stop.clone());
        let sweeping = self.runtime.spawn(async move { engine.drive(&source, &stop).await });
        Sweeper { ours: self, end: Some(end), sweeping: Some(sweeping) }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        crate::scene::remove(self.aws, [&self.intake, &self.process]);
    }
}

pub(crate) struct Sweeper<'a> {
    ours: &'a Ours,
    end: Option<oneshot::Sender<()>>,
    sweeping: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Sweeper<'_> {
    fn drop(&mut self) {
        self.end.take();
        if let Some(sweeping) = self.sweeping.take() {
            let ended = self.ours.runtime.block_on(sweeping);
            assert!(ended.is_ok() || std::thread::panicking(), "the sweeper panicked");
        }
    }
}

fn sweeper(store: &SqlStore, command: &[String]) -> Arc<Engine> {
    let limit = Duration::from_secs(20);
    let parts = Parts {
        store: Arc::new(store.clone()),
        handler: Arc::new(Spawned::new(Command::new(command.to_vec(), limit).expect(TEST))),
        clock: Arc::new(TokioClock),
        entropy: Arc::new(SystemEntropy),
        observer: Arc::new(Silent),
        origin: Origin::new(Source::Local, "sweeper"),
        policy: Policy {
            concurrency: 4,
            lease: Duration::from_secs(10),
            max_attempts: MAX_ATTEMPTS,
            backoff: Backoff { base: Duration::from_millis(1), ..Policy::default().backoff },
            adopt_after: ADOPT_AFTER,
            ..Policy::default()
        },
    };
    Arc::new(Engine::new(parts).expect(TEST))
}

fn create(aws: &Aws, name: &str, environment: &Value, more: &[(&str, &str)]) {
    let mut environment = environment.clone();
    for (key, value) in more {
        environment[*key] = json!(value);
    }
    let binary = env!("CARGO_BIN_EXE_bootstrap");
    call(aws, name, "create", &json!({ "binary": binary, "environment": environment, "timeout": 20 }));
}

/// What is `broken` can never be done, what is `flaky` cannot be done at first.
fn work(effects: &Path) -> String {
    format!(
        "case $(cat) in *broken*) echo 'cannot be done' >&2; exit 65;; \
         *flaky*) test $TASKWATCH_ATTEMPT -gt 1 || exit 1;; esac; sleep 0.02; \
         echo $TASKWATCH_TASK_ID $TASKWATCH_ATTEMPT >> '{}'",
        effects.display()
    )
}

struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &Notice<'_>) {}
}
