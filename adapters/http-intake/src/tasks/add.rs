//! `POST /tasks`

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use taskwatch_core::ports::{Inserted, StoreError};
use taskwatch_core::task::{NewTask, OnAbandon};
use taskwatch_core::trace::{TRACEPARENT, from_aws_header, from_traceparent};
use utoipa::ToSchema;

use crate::answer::{Done, json};
use crate::body::Sent;
use crate::desk::Desk;
use crate::fields;
use crate::moment::Moment;
use crate::problem::{Problem, RefusalsOfBodies};

const KEY: &str = "idempotency-key";

/// A task to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTaskBody {
    #[schema(schema_with = fields::title)]
    title: String,
    #[serde(default)]
    #[schema(schema_with = fields::description)]
    description: Option<String>,
    /// Not to be started before; a time that has passed means at once.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-12-01T02:00:00Z")]
    not_before: Option<Moment>,
    #[serde(default, deserialize_with = "fields::whole")]
    #[schema(schema_with = fields::max_attempts)]
    max_attempts: Option<u32>,
    #[serde(default)]
    #[schema(schema_with = fields::on_abandon)]
    on_abandon: Option<OnAbandon>,
}

/// Adds a task.
///
/// With an `Idempotency-Key` the request can be repeated: the same key adds nothing more and answers with the first
/// task, whatever else the request says.
#[utoipa::path(
    post,
    path = "/tasks",
    tag = "tasks",
    operation_id = "addTask",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "Names the request: 1 to 255 visible ASCII characters.",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$",
    )),
    request_body(content = NewTaskBody, content_type = "application/json"),
    responses((status = 200, description = "The task is there.", body = Done), RefusalsOfBodies),
)]
pub(crate) async fn add(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Sent(task): Sent<NewTaskBody>,
) -> Result<Response, Problem> {
    let now = desk.engine.clock().now();
    let task = NewTask {
        // What lies in the past would stand before tasks that wait longer.
        not_before: task.not_before.map(|Moment(time)| time).filter(|time| *time > now),
        idempotency_key: key(&headers)?,
        trace: trace(&headers),
        ..task.check()?
    };
    let has_key = task.idempotency_key.is_some();
    let inserted = desk.add(task).await.map_err(|error| refused(&error, has_key))?;
    let message = match inserted {
        Inserted::Added(_) => "Task added successfully",
        Inserted::Existed(_) => "Task was added before with this Idempotency-Key",
    };
    json(&Done { message, task_id: inserted.task() })
}

impl NewTaskBody {
    fn check(self) -> Result<NewTask, Problem> {
        let Self { title, description, not_before: _, max_attempts, on_abandon } = self;
        fields::check_title(&title)?;
        description.as_deref().map_or(Ok(()), fields::check_description)?;
        max_attempts.map_or(Ok(()), fields::check_attempts)?;
        Ok(NewTask { description, max_attempts, on_abandon: on_abandon.unwrap_or_default(), ..NewTask::titled(title) })
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let Some(key) = given.next() else { return Ok(None) };
    let visible =
        |key: &&str| (1..=fields::TITLE).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match (key.to_str().ok().filter(visible), given.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!(
            "the header Idempotency-Key: expected one of 1 to {} visible ASCII characters",
            fields::TITLE
        ))),
    }
}

/// The caller's trace: W3C's, or else the one that a load balancer or API Gateway has begun.
fn trace(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    text(TRACEPARENT).and_then(from_traceparent).or_else(|| text("x-amzn-trace-id").and_then(from_aws_header))
}

fn refused(error: &StoreError, has_key: bool) -> Problem {
    let lost = if has_key {
        "the database did not confirm: the task may have been added or not; send the request again with the same \
         Idempotency-Key"
    } else {
        "the database did not confirm: the task may have been added or not; look before you send it again, and send \
         an Idempotency-Key to be safe"
    };
    Problem::store(error, lost)
}
