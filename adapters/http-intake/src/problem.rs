//! Errors as the caller sees them: `application/problem+json`, RFC 9457.

use std::collections::BTreeMap;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use taskwatch_core::ports::StoreError;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

const KIND: &str = "application/problem+json";
/// The longest text about an error, in characters: some of it may be the caller's own words.
const DETAIL: usize = 500;
/// Seconds after which it makes sense to try again while the database is away.
const PAUSE: HeaderValue = HeaderValue::from_static("5");

/// Why a request was refused or failed.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// Always `about:blank`: the status says it all.
    #[schema(value_type = String)]
    r#type: &'static str,
    /// The name of the status.
    #[schema(value_type = String)]
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
}

/// For the document: what an operation may answer instead of what it was asked for.
pub(crate) enum Refusals {}

/// The same, where a body is sent.
pub(crate) enum RefusalsOfBodies {}

/// The same, where nothing is asked for but health.
pub(crate) enum Illness {}

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let own = described([
            (StatusCode::BAD_REQUEST, "A parameter makes no sense."),
            (StatusCode::UNAUTHORIZED, "The token is missing or wrong."),
        ]);
        own.chain(Illness::responses()).collect()
    }
}

impl IntoResponses for RefusalsOfBodies {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let own = described([
            (StatusCode::BAD_REQUEST, "The body is not JSON, or a parameter or header makes no sense."),
            (StatusCode::FORBIDDEN, "The request comes from a page of an origin that may not use this API."),
            (StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive."),
            (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than any task."),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON by its own account."),
            (StatusCode::UNPROCESSABLE_ENTITY, "The body is JSON and not what it should be."),
        ]);
        Refusals::responses().into_iter().chain(own).collect()
    }
}

impl IntoResponses for Illness {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let own = [
            (StatusCode::INTERNAL_SERVER_ERROR, "Something is broken on this side."),
            (StatusCode::SERVICE_UNAVAILABLE, "The database does not answer: try again later."),
        ];
        described(own).collect()
    }
}

fn described<const N: usize>(
    statuses: [(StatusCode, &str); N],
) -> impl Iterator<Item = (String, RefOr<utoipa::openapi::Response>)> {
    statuses
        .map(|(status, text)| {
            let content = Content::new(Some(Ref::from_schema_name(Document::name())));
            let response = ResponseBuilder::new().description(text).content(KIND, content).build();
            (status.as_str().to_owned(), RefOr::T(response))
        })
        .into_iter()
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Readable, and not what it should be.
    pub(crate) fn content(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(crate) fn unauthorized(detail: &str, challenge: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// Try again later.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, PAUSE)
    }

    /// A bug or a broken installation; the log has the details.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something is broken on this side; its log says what")
    }

    /// The store could not do it. `lost` is what to say where it is not known whether it has been written.
    pub(crate) fn store(error: &StoreError, lost: &str) -> Self {
        tracing::error!(%error, "the database failed a request");
        match error {
            StoreError::Unavailable(_) => Self::unavailable("the database does not answer; nothing was changed"),
            StoreError::Unknown(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, lost),
            StoreError::Refused(_) => Self::internal(),
        }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail = self.detail.chars().take(DETAIL).collect();
        let title = self.status.canonical_reason().unwrap_or("Error");
        let document = Document { r#type: "about:blank", title, status: self.status.as_u16(), detail };
        let json = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, HeaderValue::from_static(KIND))], json).into_response();
        response.headers_mut().extend(self.header);
        response
    }
}
