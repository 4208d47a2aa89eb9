//! A task as a call of a service.

mod answer;

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, USER_AGENT};
use reqwest::{Client, Response, Url};
use rustls_platform_verifier::BuilderVerifierExt as _;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;

use crate::payload;
use answer::Secrets;

/// Time to reach the service, within the time limit of the attempt.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for the rest of a body after the status is known: it is only for the reason.
const BODY: Duration = Duration::from_secs(2);

/// How much of a body is read, in bytes.
const BODY_BYTES: usize = 8192;

/// What every call carries by itself.
const RESERVED: [&str; 6] =
    ["content-length", "content-type", "idempotency-key", "traceparent", "transfer-encoding", "x-taskwatch-attempt"];

/// POSTs every attempt to a URL.
///
/// # What the service is told
/// The body is JSON: `task_id`, `title`, `description`, `attempt`, `max_attempts`, `idempotency_key`. Headers:
/// `Idempotency-Key` (the same for all attempts), `X-Taskwatch-Attempt` (1 for the first), `traceparent` if the delivery
/// came with a trace, and those given to [`Http::new`].
///
/// # What its answer means
///
/// | answer | meaning |
/// | --- | --- |
/// | 2xx | done |
/// | 408, 425, 429, 5xx | failed, try again; after `Retry-After` (seconds or date), if it is there |
/// | 3xx | failed for good: redirects are not followed, give the final URL |
/// | any other | failed for good |
/// | no connection | failed, try again |
/// | no answer, time limit | failed, perhaps half done: try again unless the task must not run twice |
///
/// `Retry-After` is honoured up to [`MAX_RETRY_AFTER`](crate::MAX_RETRY_AFTER). The reason names scheme, host and port
/// of the URL and quotes up to 500 characters of the body, from which the headers' values and what may be a secret in
/// the URL are struck out.
///
/// TLS trusts what the operating system trusts. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured, except for this
/// machine itself.
pub struct Http {
    client: Client,
    url: Url,
    /// Scheme, host and port: what may be told of the URL.
    place: String,
    headers: HeaderMap,
    secrets: Secrets,
    time_limit: Duration,
}

/// Why there can be no such [`Http`].
#[derive(Debug, thiserror::Error)]
pub enum InvalidHttp {
    /// The URL cannot be read. It is not repeated here, for it may hold a secret.
    #[error("the URL cannot be read: {0}")]
    Url(String),
    /// Something other than HTTP.
    #[error("the URL begins with {0}:// but should with http:// or https://")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL holds a user name or password: give an Authorization header instead")]
    Credentials,
    /// A header's name.
    #[error("{0:?} cannot be the name of a header")]
    HeaderName(String),
    /// A header's value, which is not repeated here.
    #[error("the value of the header {0} has characters that no header can hold")]
    HeaderValue(String),
    /// A header that is taskwatch's to send.
    #[error("the header {0} is sent by taskwatch itself: leave it out")]
    Reserved(String),
    /// No time at all.
    #[error("the time limit of the HTTP call is zero")]
    NoTime,
    /// TLS has nothing to trust, or the system does not allow a client.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

impl Http {
    /// A handler that calls `url` with these headers beside its own, and gives up on an answer after `time_limit`.
    ///
    /// # Errors
    /// [`InvalidHttp`] says what is wrong with which argument.
    pub fn new(
        url: &str,
        headers: impl IntoIterator<Item = (String, String)>,
        time_limit: Duration,
    ) -> Result<Self, InvalidHttp> {
        let url = Url::parse(url).map_err(|error| InvalidHttp::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidHttp::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidHttp::Credentials);
        }
        if time_limit.is_zero() {
            return Err(InvalidHttp::NoTime);
        }
        let mut secrets = Secrets::of_url(&url);
        let mut map = HeaderMap::new();
        map.insert(USER_AGENT, HeaderValue::from_static(concat!("taskwatch/", env!("CARGO_PKG_VERSION"))));
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let key = HeaderName::try_from(&name).map_err(|_| InvalidHttp::HeaderName(name.clone()))?;
            if RESERVED.contains(&key.as_str()) {
                return Err(InvalidHttp::Reserved(name));
            }
            secrets.add(&value);
            map.insert(key, sensitive(&value).map_err(|_| InvalidHttp::HeaderValue(name))?);
        }
        Ok(Self {
            client: client(&url)?,
            place: url.origin().ascii_serialization(),
            url,
            headers: map,
            secrets,
            time_limit,
        })
    }

    async fn call(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        let mut headers = self.headers.clone();
        let key = sensitive(&attempt.idempotency_key)
            .map_err(|_| Failure::permanent("the idempotency key has characters that no header can hold"))?;
        headers.insert("idempotency-key", key);
        headers.insert("x-taskwatch-attempt", HeaderValue::from(attempt.number));
        if let Some(parent) = payload::traceparent(task, attempt).and_then(|parent| parent.try_into().ok()) {
            headers.insert("traceparent", parent);
        }
        let request = self.client.post(self.url.clone()).headers(headers).body(payload::json(task, attempt)?);
        let mut response = request.send().await.map_err(|error| self.no_answer(&error))?;
        if response.status().is_success() {
            // Done, whatever becomes of the body; but a connection whose body has been read can serve the next call.
            tokio::spawn(async move { start_of_body(&mut response).await });
            return Ok(());
        }
        let body = start_of_body(&mut response).await;
        Err(answer::failure(&self.place, &response, &self.secrets.strike_out(&body), SystemTime::now()))
    }

    /// The whole chain of causes, for only the last says what happened. Without the URL.
    fn no_answer(&self, error: &reqwest::Error) -> Failure {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes.dedup();
        let (failure, what): (fn(String) -> Failure, _) = if error.is_connect() {
            // The request was not even sent.
            (Failure::not_begun, "no connection to")
        } else {
            (Failure::cut_off, "no answer from")
        };
        failure(self.secrets.strike_out(&format!("{what} {}: {}", self.place, causes.join(": "))))
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(url: &Url) -> Result<Client, InvalidHttp> {
    let failed = |error: &dyn fmt::Display| InvalidHttp::Client(error.to_string());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    // Without TLS, a machine that has no certificates installed is good enough.
    let tls = if url.scheme() == "https" {
        tls.with_platform_verifier().map_err(|error| failed(&error))?.with_no_client_auth()
    } else {
        tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT);
    if is_this_machine(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| failed(&error.without_url()))
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// As much of the body as arrives soon, or nothing if it cannot be read.
async fn start_of_body(response: &mut Response) -> String {
    let mut body = Vec::new();
    let read = async {
        while body.len() < BODY_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(BODY_BYTES - body.len())]);
        }
    };
    // A body that does not come to its end in time is quoted as far as it has come.
    let _ = tokio::time::timeout(BODY, read).await;
    String::from_utf8_lossy(&body).into_owned()
}

/// Without path, query, and the headers' values: they may be secrets.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Http")
            .field("place", &self.place)
            .field("headers", &names)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Handler for Http {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        match tokio::time::timeout(self.time_limit, self.call(task, attempt)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let limit = humantime::format_duration(self.time_limit);
                Err(Failure::cut_off(format!("{} did not answer within the time limit of {limit}", self.place)))
            }
        }
    }
}
