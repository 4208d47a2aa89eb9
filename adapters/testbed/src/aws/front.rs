//! A front before the stand-in that breaks calls as it is told.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme, Uri};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::Aws;

/// A server that passes calls on to the stand-in, except those that it is told to break. Any number of connections; it
/// runs on a thread of its own and ends with the value.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

/// A call, as whoever breaks calls may look at it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// `ReceiveMessage`; empty where the call is not one of AWS's JSON protocols.
    pub action: &'a str,
    /// The id of the key that it is signed with; empty if it is not signed.
    pub key: &'a str,
    /// The request, `null` if it is not JSON.
    pub request: &'a Value,
}

/// What happens to a call instead of what ought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not made: the answer is this error.
    Refuse {
        /// Of HTTP.
        status: u16,
        /// `RequestThrottled`, say.
        code: &'static str,
    },
    /// It is not made, and there is no answer as long as the caller waits, even after the fault has gone.
    Hang,
    /// It is not made: the connection ends without a word.
    Cut,
    /// It is made, but the connection ends in the middle of the answer.
    Lose,
}

impl Fault {
    /// As SQS throttles.
    pub const THROTTLED: Self = Self::Refuse { status: 400, code: "RequestThrottled" };
    /// As SQS fails.
    pub const INTERNAL: Self = Self::Refuse { status: 500, code: "InternalError" };
    /// As SQS is away.
    pub const UNAVAILABLE: Self = Self::Refuse { status: 503, code: "ServiceUnavailable" };
}

/// How many calls there were of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub all: usize,
    /// Those that were broken.
    pub broken: usize,
}

type Rule = dyn Fn(&Asked<'_>) -> Option<Fault> + Send + Sync;

struct Shared {
    upstream: Authority,
    client: Client<HttpConnector, Full<Bytes>>,
    rule: RwLock<Arc<Rule>>,
    /// By action.
    answers: Mutex<BTreeMap<String, Value>>,
    calls: Mutex<BTreeMap<String, Calls>>,
    hang_up: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("upstream", &self.upstream).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Front {
    /// Before this stand-in, on a free port of 127.0.0.1. Nothing is broken.
    ///
    /// # Errors
    /// There is no free port, or no thread to be had.
    pub fn before(aws: &Aws) -> io::Result<Self> {
        let upstream: Uri = aws.endpoint().parse().map_err(io::Error::other)?;
        let upstream = upstream.authority().ok_or_else(|| io::Error::other("the stand-in has no host"))?;
        let shared = Arc::new(Shared {
            upstream: upstream.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            rule: RwLock::new(Arc::new(|_| None)),
            answers: Mutex::default(),
            calls: Mutex::default(),
            hang_up: Notify::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (end, ended) = oneshot::channel();
        let served = Arc::clone(&shared);
        thread::Builder::new().name("front".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, served) => {}
                    // An error says that the value has been dropped.
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, shared, _end: end })
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its port, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on breaks the calls that this picks, in place of those that were picked before.
    pub fn breaks(&self, rule: impl Fn(&Asked<'_>) -> Option<Fault> + Send + Sync + 'static) {
        *self.shared.rule.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// From now on breaks every call of these actions like this; of all, if none is named.
    pub fn breaks_all(&self, actions: &'static [&'static str], fault: Fault) {
        self.breaks(move |asked| (actions.is_empty() || actions.contains(&asked.action)).then_some(fault));
    }

    /// From now on breaks nothing. What hangs goes on to hang.
    pub fn heals(&self) {
        self.breaks(|_| None);
    }

    /// From now on gives this answer to every call of this action that is not broken, in the place of the stand-in: to what
    /// that does not know.
    pub fn answers(&self, action: &str, answer: Value) {
        lock(&self.shared.answers).insert(action.to_owned(), answer);
    }

    /// Ends all connections that are open, idle or not. New ones may be opened.
    pub fn hangs_up(&self) {
        self.shared.hang_up.notify_waiters();
    }

    /// How many calls of this action have come so far: counted when they come, with every try of the caller's.
    #[must_use]
    pub fn calls(&self, action: &str) -> Calls {
        lock(&self.shared.calls).get(action).copied().unwrap_or_default()
    }

    /// Of all actions.
    #[must_use]
    pub fn all_calls(&self) -> Calls {
        let add = |sum: Calls, one: &Calls| Calls { all: sum.all + one.all, broken: sum.broken + one.broken };
        lock(&self.shared.calls).values().fold(Calls::default(), add)
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // Too many files open, perhaps: whoever calls finds out.
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(Arc::clone(&shared), request));
            // A service that fails ends its connection, as does one that is cut.
            tokio::select! {
                _ = http1::Builder::new().serve_connection(TokioIo::new(connection), answer) => {}
                () = shared.hang_up.notified() => {}
            }
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    match shared.judged(&head.headers, &body) {
        Some(Fault::Refuse { status, code }) => {
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            let said = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "broken by the test" });
            Ok(json_answer(status, &said))
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Cut) => Err(io::Error::other("cut")),
        Some(Fault::Lose) => Ok(shared.passed_on(head, body).await?.map(half)),
        None => match shared.answer(&head.headers) {
            Some(said) => Ok(json_answer(StatusCode::OK, &said)),
            None => Ok(shared.passed_on(head, body).await?.map(whole)),
        },
    }
}

impl Shared {
    fn judged(&self, headers: &HeaderMap, body: &[u8]) -> Option<Fault> {
        let action = action(headers);
        let credential = text(headers, "authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
        let key = credential.split('/').next().unwrap_or_default();
        let request = serde_json::from_slice(body).unwrap_or_default();
        let rule = Arc::clone(&self.rule.read().unwrap_or_else(PoisonError::into_inner));
        let fault = rule(&Asked { action, key, request: &request });
        let mut calls = lock(&self.calls);
        let calls = calls.entry(action.to_owned()).or_default();
        calls.all += 1;
        calls.broken += usize::from(fault.is_some());
        fault
    }

    fn answer(&self, headers: &HeaderMap) -> Option<Value> {
        lock(&self.answers).get(action(headers)).cloned()
    }

    async fn passed_on(&self, mut head: Parts, body: Bytes) -> io::Result<Response<Bytes>> {
        head.headers.remove(HOST);
        let mut uri = head.uri.into_parts();
        (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(self.upstream.clone()));
        head.uri = Uri::from_parts(uri).map_err(io::Error::other)?;
        let answered =
            self.client.request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
        let (mut head, body) = answered.into_parts();
        // It may come in chunks; it goes on in one piece.
        head.headers.remove(TRANSFER_ENCODING);
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        head.headers.insert(CONTENT_LENGTH, body.len().into());
        Ok(Response::from_parts(head, body))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn action(headers: &HeaderMap) -> &str {
    text(headers, "x-amz-target").rsplit('.').next().unwrap_or_default()
}

fn json_answer(status: StatusCode, said: &Value) -> Response<Body> {
    let mut answer = Response::new(whole(said.to_string().into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    answer
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// The first half, and then nothing more.
#[expect(clippy::needless_pass_by_value, reason = "in place of the whole")]
fn half(body: Bytes) -> Body {
    let begun = Ok(Frame::data(body.slice(..body.len() / 2)));
    let cut = async {
        // So that the first half is on its way.
        tokio::task::yield_now().await;
        Err(io::Error::other("cut"))
    };
    StreamBody::new(stream::once(async { begun }).chain(stream::once(cut))).boxed_unsync()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
