//! `GET /tasks/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::Record;
use taskwatch_core::task::{FoundStatus, OnAbandon, Status, TaskId, TaskRow};
use utoipa::ToSchema;

use crate::answer::json;
use crate::desk::Desk;
use crate::fields::{self, Id};
use crate::moment::Moment;
use crate::problem::{Document, Problem, Refusals};

/// A task with its ledger. Lease tokens are not among it: they open doors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub(crate) struct Details {
    #[schema(value_type = i64, minimum = 1)]
    id: TaskId,
    title: String,
    description: Option<String>,
    /// As it stands in the row, where other programs may have written anything.
    #[schema(value_type = String)]
    status: FoundStatus,
    /// The status that taskwatch last wrote; null where another program inserted the row and no worker has met it yet.
    #[schema(value_type = Option<String>)]
    recorded: Option<Status>,
    /// Attempts started and not given back.
    attempt: u32,
    /// How often to try at most; null leaves it to the worker.
    max_attempts: Option<u32>,
    /// What to do when a worker vanishes in mid-task.
    #[schema(schema_with = fields::on_abandon)]
    on_abandon: OnAbandon,
    /// Pending: the earliest start. In Progress: the end of the lease. Otherwise: when that was reached.
    #[schema(value_type = String, format = DateTime)]
    due: Moment,
    #[schema(value_type = String, format = DateTime)]
    created: Moment,
    /// Why the task last failed, was abandoned, released, cancelled or replayed.
    reason: Option<String>,
    /// What happened to it, from the beginning.
    ledger: Vec<Entry>,
}

/// One change of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerEntry)]
struct Entry {
    /// 1, 2, 3 ... without gaps.
    #[schema(minimum = 1)]
    seq: u32,
    /// What happened.
    event: String,
    /// The status before; null for the first.
    #[schema(value_type = Option<String>)]
    from: Option<Status>,
    /// The status after.
    #[schema(schema_with = fields::status)]
    to: Status,
    /// Attempts started and not given back, after it.
    attempt: u32,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// `due` after it.
    #[schema(value_type = String, format = DateTime)]
    due: Moment,
    /// By which of the engine's homes.
    #[schema(value_type = String)]
    source: &'static str,
    /// By which process, request or person.
    worker: String,
    /// Why.
    reason: Option<String>,
    /// The W3C trace id of the delivery.
    trace: Option<String>,
}

/// Shows a task with its ledger.
#[utoipa::path(
    get,
    path = "/tasks/{id}",
    tag = "tasks",
    operation_id = "showTask",
    params(("id" = i64, Path, description = "Which task.", minimum = 1)),
    responses(
        (status = 200, description = "The row and its ledger.", body = Details),
        (status = 404, description = "There is no such task.", body = Document, content_type = "application/problem+json"),
        Refusals,
    ),
)]
pub(crate) async fn show(State(desk): State<Arc<Desk>>, Id(task): Id) -> Result<Response, Problem> {
    match find(&desk, task).await? {
        Some((row, entries)) => json(&Details::of(row, entries)),
        None => Err(no_such_task(task)),
    }
}

/// A task whose row is there.
async fn find(desk: &Desk, task: TaskId) -> Result<Option<(TaskRow, Vec<LedgerEntry>)>, Problem> {
    let record = desk.records.record(task).await.map_err(|error| Problem::store(&error, "the database broke off"))?;
    Ok(record.and_then(|Record { row, entries, .. }| Some((row?, entries))))
}

pub(super) fn no_such_task(task: TaskId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no task {task}"))
}

impl Details {
    fn of(row: TaskRow, entries: Vec<LedgerEntry>) -> Self {
        Self {
            id: row.id,
            title: row.title,
            description: row.description,
            status: row.status,
            recorded: row.recorded,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            on_abandon: row.on_abandon,
            due: Moment(row.due),
            created: Moment(row.created),
            reason: row.reason,
            ledger: entries.into_iter().map(Entry::of).collect(),
        }
    }
}

impl Entry {
    fn of(entry: LedgerEntry) -> Self {
        Self {
            seq: entry.seq,
            event: entry.event.to_string(),
            from: entry.from,
            to: entry.to,
            attempt: entry.attempt,
            at: Moment(entry.at),
            due: Moment(entry.due),
            source: entry.origin.source.as_str(),
            worker: entry.origin.worker.to_string(),
            reason: entry.reason,
            trace: entry.trace,
        }
    }
}
