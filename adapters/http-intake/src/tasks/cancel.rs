//! `POST /tasks/{id}/cancel`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use taskwatch_core::engine::Refusal;
use utoipa::ToSchema;

use super::show::no_such_task;
use crate::answer::{Done, json};
use crate::body::MaySend;
use crate::desk::Desk;
use crate::fields::{self, Id};
use crate::problem::{Document, Problem, RefusalsOfBodies};

/// What to note with a cancellation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelBody {
    #[serde(default)]
    #[schema(schema_with = fields::reason)]
    reason: Option<String>,
}

/// Calls a task off.
///
/// A Pending task is called off at once, a running one when its worker next renews the lease. The body may be left out.
#[utoipa::path(
    post,
    path = "/tasks/{id}/cancel",
    tag = "tasks",
    operation_id = "cancelTask",
    params(("id" = i64, Path, description = "Which task.", minimum = 1)),
    request_body(content = Option<CancelBody>, content_type = "application/json"),
    responses(
        (status = 200, description = "It is called off.", body = Done),
        (status = 404, description = "There is no such task.", body = Document, content_type = "application/problem+json"),
        (
            status = 409, description = "The task does not allow it any more.",
            body = Document, content_type = "application/problem+json",
        ),
        RefusalsOfBodies,
    ),
)]
pub(crate) async fn cancel(
    State(desk): State<Arc<Desk>>,
    Id(task): Id,
    MaySend(body): MaySend<CancelBody>,
) -> Result<Response, Problem> {
    let reason = match body.unwrap_or_default().reason {
        Some(reason) => {
            fields::check_text("reason", &reason, fields::REASON)?;
            format!("by HTTP: {reason}")
        }
        None => "by HTTP".to_owned(),
    };
    let acts = desk.cancel(task, reason).await.map_err(|error| {
        Problem::store(
            &error,
            "the database did not confirm: the task may have been called off or not; look, and ask again",
        )
    })?;
    match acts.into_iter().find_map(|act| act.refused) {
        None => json(&Done { message: "Task cancelled", task_id: task }),
        Some(Refusal::NoSuchTask) => Err(no_such_task(task)),
        Some(why) => Err(Problem::new(StatusCode::CONFLICT, format!("task {task} cannot be cancelled: {why}"))),
    }
}
