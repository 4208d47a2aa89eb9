//! Reading a JSON body, with every way in which it can be none.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;

/// The largest body, in bytes: a task with every field full and every character escaped needs less.
const LARGEST: usize = 512 * 1024;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// A body that must be there.
pub(crate) struct Sent<T>(pub(crate) T);

/// A body that may be left out, or be `null`.
pub(crate) struct MaySend<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (headers, bytes) = receive(request).await?;
        check_kind(&headers)?;
        read(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for MaySend<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (headers, bytes) = receive(request).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_kind(&headers)?;
        read(&bytes).map(Self)
    }
}

async fn receive(request: Request) -> Result<(HeaderMap, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST as u64) {
        return Err(too_large());
    }
    if parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is compressed: send it as it is"));
    }
    let bytes = tokio::time::timeout(ARRIVAL, collect(body)).await.unwrap_or_else(|_| {
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not arrive within {ARRIVAL:?}")))
    })?;
    Ok((parts.headers, bytes))
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, LARGEST).await.map_err(|error| match std::error::Error::source(&error) {
        Some(source) if source.is::<LengthLimitError>() => too_large(),
        _ => Problem::bad_request("the body broke off"),
    })
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LARGEST} bytes"))
}

/// JSON, by any of its names; no name at all will do, as the test events of the Lambda console have none.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    let sound = match (given.next(), given.next()) {
        (None, _) => true,
        (Some(kind), None) => is_json(kind),
        (Some(_), Some(_)) => false,
    };
    if sound {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not JSON: send Content-Type: application/json"))
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind == "application/json" || kind.strip_prefix("application/").is_some_and(|kind| kind.ends_with("+json"))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::bad_request(format!("the body is not UTF-8: byte {} begins no character", error.valid_up_to()))
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner();
        match why.classify() {
            Category::Data if path == "." => Problem::content(why.to_string()),
            Category::Data => Problem::content(format!("{path}: {why}")),
            Category::Syntax | Category::Eof | Category::Io => not_json(&why),
        }
    })?;
    json.end().map_err(|why| not_json(&why))?;
    Ok(value)
}

fn not_json(why: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not JSON: {why}"))
}
