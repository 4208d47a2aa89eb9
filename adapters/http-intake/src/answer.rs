//! Answers that went well.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use taskwatch_core::task::TaskId;
use utoipa::ToSchema;

use crate::problem::Problem;

/// A value as JSON, which nobody should keep.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "failed to write an answer as JSON");
        Problem::internal()
    })?;
    Ok(raw_json(text))
}

/// JSON text as an answer.
pub(crate) fn raw_json(text: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}

/// What was done, to which task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// For people.
    #[schema(value_type = String)]
    pub(crate) message: &'static str,
    /// The task.
    #[schema(value_type = i64, minimum = 1)]
    pub(crate) task_id: TaskId,
}
