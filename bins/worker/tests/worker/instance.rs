//! An EC2 instance: its metadata and its Auto Scaling group.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use taskwatch_core::time::Timestamp;
use taskwatch_testbed::Aws;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::place::now;

const TOKEN: &str = "x-aws-ec2-metadata-token";

/// A front before the stand-in: metadata with tokens only, the notices that a test puts there, calls of Auto Scaling
/// written down.
pub(crate) struct Instance {
    address: SocketAddr,
    shared: Arc<Shared>,
    _end: oneshot::Sender<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The role may not.
    Denied,
    /// The credentials are no good.
    Unknown,
    /// Nothing waits any more.
    NotWaiting,
    /// There is no such hook.
    NoHook,
}

/// A call of Auto Scaling.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Timestamp,
    pub(crate) form: String,
}

struct Shared {
    upstream: String,
    agent: ureq::Agent,
    state: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    metadata: BTreeMap<String, String>,
    v1_only: bool,
    refused: Option<(&'static str, Refusal)>,
    without_token: usize,
    tokens_given: usize,
    tokens_refused: usize,
    calls: Vec<Call>,
}

impl Instance {
    pub(crate) fn start(aws: &Aws) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let shared = Arc::new(Shared { upstream: aws.endpoint().to_owned(), agent, state: Mutex::default() });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        // Tests block their own thread.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, shared, _end: end }
    }

    /// What a worker on this instance finds in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.clone()),
            ("AWS_ENDPOINT_URL_AUTO_SCALING", endpoint),
        ]
    }

    /// EC2 takes it back after this long.
    pub(crate) fn spot(&self, action: &str, after: Duration) {
        let at = humantime::format_rfc3339_seconds(SystemTime::now() + after);
        self.says("spot/instance-action", format!(r#"{{"action": "{action}", "time": "{at}"}}"#));
    }

    /// Its group moves it to this state.
    pub(crate) fn target(&self, state: &str) {
        self.says("autoscaling/target-lifecycle-state", state.to_owned());
    }

    fn says(&self, path: &str, what: String) {
        self.with(|said| said.metadata.insert(path.to_owned(), what));
    }

    /// There are no tokens, and none are needed.
    pub(crate) fn v1_only(&self) {
        self.with(|said| said.v1_only = true);
    }

    /// Makes it one of a group with these hooks, `("drain", "TERMINATING")`, of 30 s each; the group's name.
    pub(crate) fn join_group(&self, hooks: &[(&str, &str)]) -> String {
        let group = Aws::unique("workers");
        let named = ("AutoScalingGroupName", group.as_str());
        let sizes = [("MinSize", "1"), ("MaxSize", "1"), ("DesiredCapacity", "1")];
        self.call("CreateAutoScalingGroup", &[&[named][..], &sizes].concat());
        let found = self.call("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", &group)]);
        let id = found.split_once("<InstanceId>").and_then(|(_, rest)| rest.split_once('<')).unwrap().0;
        self.says("instance-id", id.to_owned());
        for (hook, transition) in hooks {
            let transition = format!("autoscaling:EC2_INSTANCE_{transition}");
            let parameters =
                [named, ("LifecycleHookName", hook), ("LifecycleTransition", &transition), ("HeartbeatTimeout", "30")];
            self.call("PutLifecycleHook", &parameters);
        }
        group
    }

    fn call(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let scope = "test/20260101/eu-west-1/autoscaling/aws4_request";
        let fixed = [("Action", action), ("Version", "2011-01-01")];
        let mut answer = self
            .shared
            .agent
            .post(&self.shared.upstream)
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .send_form(fixed.into_iter().chain(parameters.iter().copied()))
            .unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{action}: {text}");
        text
    }

    /// From now on this call is refused.
    pub(crate) fn refuse(&self, action: &'static str, refusal: Refusal) {
        self.with(|said| said.refused = Some((action, refusal)));
    }

    /// Its id, once it is one of a group.
    pub(crate) fn id(&self) -> String {
        self.with(|said| said.metadata["instance-id"].clone())
    }

    /// All calls of Auto Scaling.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.with(|said| said.calls.clone())
    }

    /// Those of this action.
    pub(crate) fn called(&self, action: &str) -> Vec<Call> {
        let of_action = format!("Action={action}&");
        self.calls().into_iter().filter(|call| call.form.starts_with(&of_action)).collect()
    }

    /// How often somebody has asked without a token.
    pub(crate) fn without_token(&self) -> usize {
        self.with(|said| said.without_token)
    }

    pub(crate) fn tokens_given(&self) -> usize {
        self.with(|said| said.tokens_given)
    }

    pub(crate) fn tokens_refused(&self) -> usize {
        self.with(|said| said.tokens_refused)
    }

    fn with<T>(&self, what: impl FnOnce(&mut Said) -> T) -> T {
        what(&mut self.shared.state.lock().unwrap())
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
    let path = head.uri.path().to_owned();
    if let Some(answer) = shared.of_its_own(&head.method, &path, &head.headers, &body) {
        return answer;
    }
    let asked = move || shared.pass_on(head.method, &path, &head.headers, body);
    tokio::task::spawn_blocking(asked).await.unwrap()
}

impl Shared {
    /// What the stand-in is not asked for.
    fn of_its_own(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Response<Body>> {
        let mut said = self.state.lock().unwrap();
        if path == "/latest/api/token" {
            let count = if said.v1_only { &mut said.tokens_refused } else { &mut said.tokens_given };
            *count += 1;
            return said.v1_only.then(|| plain(StatusCode::NOT_FOUND, ""));
        }
        if let Some(leaf) = path.strip_prefix("/latest/meta-data/") {
            if !headers.contains_key(TOKEN) {
                said.without_token += 1;
            }
            if !headers.contains_key(TOKEN) && !said.v1_only {
                return Some(plain(StatusCode::UNAUTHORIZED, ""));
            }
            let own = said.metadata.get(leaf)?;
            // The stand-in knows whether the token is good.
            let probe = self.agent.get(format!("{}/latest/meta-data/ami-id", self.upstream));
            let token = headers.get(TOKEN).map_or("", |token| token.to_str().unwrap());
            let good = said.v1_only || probe.header(TOKEN, token).call().unwrap().status().is_success();
            return Some(if good { plain(StatusCode::OK, own) } else { plain(StatusCode::UNAUTHORIZED, "") });
        }
        if *method == Method::POST {
            let form = String::from_utf8(body.to_vec()).unwrap();
            let (action, refusal) = said.refused.unwrap_or(("", Refusal::Denied));
            let refused = form.starts_with(&format!("Action={action}&"));
            said.calls.push(Call { at: now(), form });
            return refused.then(|| refusal.answer(action));
        }
        None
    }

    fn pass_on(&self, method: Method, path: &str, headers: &HeaderMap, body: Vec<u8>) -> Response<Body> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.upstream));
        for (name, value) in
            headers.iter().filter(|(name, _)| **name != header::HOST && **name != header::CONTENT_LENGTH)
        {
            request = request.header(name, value);
        }
        // It does not let a GET have a body.
        let answered = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        let (head, mut body) = answered.unwrap().into_parts();
        let mut answer = Response::new(Body::from(body.read_to_vec().unwrap()));
        *answer.status_mut() = head.status;
        for name in ["content-type", "x-aws-ec2-metadata-token-ttl-seconds"] {
            if let Some(value) = head.headers.get(name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        answer
    }
}

impl Refusal {
    fn answer(self, action: &str) -> Response<Body> {
        let (code, message) = match self {
            Self::Denied => ("AccessDenied", format!("not authorized to perform: autoscaling:{action}")),
            Self::Unknown => ("InvalidClientTokenId", "the security token is invalid".to_owned()),
            Self::NotWaiting => ("ValidationError", "No active Lifecycle Action found with instance ID i-1".to_owned()),
            Self::NoHook => ("ValidationError", "No Lifecycle Hook found".to_owned()),
        };
        let status = if code == "ValidationError" { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
        let said = format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>");
        plain(status, &said)
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text.to_owned()));
    *answer.status_mut() = status;
    answer
}
