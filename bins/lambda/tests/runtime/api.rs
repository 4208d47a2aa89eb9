//! The runtime API of Lambda, as far as a function uses it, and a function that polls it.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::TEST;

/// What functions get for an invocation.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

const ROOT: &str = "/2018-06-01/runtime";

/// Serves one function.
pub(crate) struct Api {
    port: u16,
    shared: Arc<Shared>,
    invoke: UnboundedSender<(String, Value)>,
    invoked: AtomicUsize,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    invocations: tokio::sync::Mutex<UnboundedReceiver<(String, Value)>>,
    polls: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    answers: Mutex<BTreeMap<String, Value>>,
    /// Answers to what was not asked, or was answered before.
    strays: AtomicUsize,
}

impl Api {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect(TEST);
        let (invoke, invocations) = unbounded_channel();
        let shared = Arc::new(Shared {
            invocations: invocations.into(),
            polls: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            answers: Mutex::default(),
            strays: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route(&format!("{ROOT}/invocation/next"), get(next))
            .route(&format!("{ROOT}/invocation/{{id}}/response"), post(answer))
            .route(&format!("{ROOT}/invocation/{{id}}/error"), post(answer))
            .with_state(Arc::clone(&shared));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect(TEST);
        let port = listener.local_addr().expect(TEST).port();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { port, shared, invoke, invoked: AtomicUsize::new(0), _runtime: runtime }
    }

    /// Starts the function with these settings.
    pub(crate) fn run(&self, settings: &Value, more: &[(&str, &str)]) -> Function {
        let settings = settings.as_object().expect(TEST).iter();
        let settings = settings.map(|(name, value)| (name.as_str(), value.as_str().expect(TEST)));
        let child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", self.port))
            .env("AWS_LAMBDA_FUNCTION_NAME", "process")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/process")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("TASKWATCH_LAMBDA_REPORT", "partial")
            // There is no queue to call.
            .env("TASKWATCH_QUEUE_VISIBILITY", "false")
            .env("TASKWATCH_QUEUE_DEAD_LETTERS", "redrive")
            .envs(settings)
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect(TEST);
        Function(child)
    }

    /// Invokes the function whenever it asks for it next; answers with the request's id.
    pub(crate) fn invoke(&self, event: Value) -> String {
        let id = format!("request-{}", self.invoked.fetch_add(1, Ordering::SeqCst));
        self.invoke.send((id.clone(), event)).expect(TEST);
        id
    }

    /// Waits for what the function answers to it.
    pub(crate) fn answer(&self, id: &str) -> Value {
        let answered = || self.shared.answers.lock().expect(TEST).get(id).cloned();
        let begun = Instant::now();
        loop {
            if let Some(answer) = answered() {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{id} is not answered");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often the function has asked for an invocation.
    pub(crate) fn polls(&self) -> usize {
        self.shared.polls.load(Ordering::SeqCst)
    }

    /// How many invocations were under way at once, at most.
    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }

    /// Answers to what was not under way.
    pub(crate) fn strays(&self) -> usize {
        self.shared.strays.load(Ordering::SeqCst)
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.polls.fetch_add(1, Ordering::SeqCst);
    // The test ends before its channel does.
    let Some((id, event)) = shared.invocations.lock().await.recv().await else { std::future::pending().await };
    let under_way = shared.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect(TEST) + TIMEOUT;
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:process".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned()),
    ];
    (AppendHeaders(headers), event.to_string())
}

async fn answer(State(shared): State<Arc<Shared>>, Path(id): Path<String>, _: HeaderMap, body: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let first = shared.answers.lock().expect(TEST).insert(id, body).is_none();
    let count = if first { &shared.under_way } else { &shared.strays };
    if first {
        count.fetch_sub(1, Ordering::SeqCst)
    } else {
        count.fetch_add(1, Ordering::SeqCst)
    };
    StatusCode::ACCEPTED
}

/// A running function; ends with this.
pub(crate) struct Function(Child);

impl Function {
    /// Ends it, and answers with its log.
    pub(crate) fn end(mut self) -> String {
        self.0.kill().expect(TEST);
        let mut log = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().expect(TEST), &mut log).expect(TEST);
        log
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect(TEST).is_none()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
