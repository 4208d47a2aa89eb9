//! `GET /tasks`

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::Response;
use serde::Serialize;
use taskwatch_core::ports::Filter;
use taskwatch_core::task::{FoundStatus, Status, TaskId};
use utoipa::{IntoParams, ToSchema};

use crate::answer::raw_json;
use crate::desk::Desk;
use crate::fields;
use crate::problem::{Problem, Refusals};

/// How many rows are asked for at once, so that a page of long descriptions is not read only to be thrown away.
const CHUNK: usize = 500;
/// How long a page may get, in bytes, before its last task: a Lambda function can answer with 6 MiB.
const PAGE: usize = 4 * 1024 * 1024;

/// A task as the Python system lists it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedTask {
    #[schema(value_type = i64, minimum = 1)]
    id: TaskId,
    title: String,
    description: Option<String>,
    /// Usually one of the five; other programs may have written anything, and it shows unless the task was finished.
    #[schema(value_type = String)]
    status: FoundStatus,
}

/// Which tasks to list.
#[derive(Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only these; may be repeated.
    #[param(schema_with = fields::statuses, required = false)]
    status: Vec<Status>,
    /// At most this many.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<usize>,
    /// Only tasks with a smaller id.
    #[param(value_type = Option<i64>, minimum = 1)]
    before: Option<TaskId>,
}

/// Lists tasks, ordered by id.
///
/// Where there are more than one answer holds, it holds the newest, and the header `Link` (rel `next`) leads to the ones
/// before them.
#[utoipa::path(
    get,
    path = "/tasks",
    tag = "tasks",
    operation_id = "listTasks",
    params(Which),
    responses(
        (
            status = 200, description = "The tasks.", body = [ListedTask],
            headers(("Link" = String, description = "Where older tasks are, if there are any (rel `next`).")),
        ),
        Refusals,
    ),
)]
pub(crate) async fn list(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let which = Which::read(query.as_deref().unwrap_or_default(), desk.page_limit)?;
    let (mut page, next) = page(&desk, &which).await?;
    page.reverse();
    let mut text = page.join(&b","[..]);
    text.insert(0, b'[');
    text.push(b']');
    let mut response = raw_json(text);
    // Ids and statuses make no header that cannot be sent.
    if let Some(Ok(link)) = next.map(|last| HeaderValue::from_str(&which.link(last))) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The newest tasks as JSON, newest first, and the last of them where there are more.
async fn page(desk: &Desk, which: &Which) -> Result<(Vec<Vec<u8>>, Option<TaskId>), Problem> {
    let limit = which.limit.unwrap_or(desk.page_limit);
    let (mut page, mut size, mut before) = (Vec::new(), 0, which.before);
    loop {
        // One more than fits tells whether there is more.
        let ask = (limit - page.len()).saturating_add(1).min(CHUNK);
        let filter = Filter { statuses: which.status.clone(), title: None, before, limit: ask };
        let rows = desk.records.list(&filter).await;
        let rows = rows.map_err(|error| Problem::store(&error, "the database broke off"))?;
        let all = rows.len() < ask;
        for row in rows {
            let (id, status) = (row.id, row.standing());
            let task = ListedTask { id, title: row.title, description: row.description, status };
            let json = serde_json::to_vec(&task).map_err(|error| {
                tracing::error!(%error, task = %id, "failed to write a task as JSON");
                Problem::internal()
            })?;
            size += json.len() + 1;
            if page.len() == limit || (size > PAGE && !page.is_empty()) {
                return Ok((page, before));
            }
            page.push(json);
            before = Some(id);
        }
        if all {
            return Ok((page, None));
        }
    }
}

impl Which {
    fn read(query: &str, page_limit: usize) -> Result<Self, Problem> {
        let mut which = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" => {
                    let status = value
                        .parse()
                        .map_err(|error| Problem::bad_request(format!("the parameter status: {error}")))?;
                    which.status.push(status);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=page_limit).contains(limit));
                    let expected = || format!("a whole number from 1 to {page_limit}");
                    once(&mut which.limit, "limit", limit, expected)?;
                }
                "before" => once(&mut which.before, "before", fields::task_id(&value), || "a task id".to_owned())?,
                other => {
                    return Err(Problem::bad_request(format!(
                        "there is no parameter {other:?}: there are status, limit and before"
                    )));
                }
            }
        }
        Ok(which)
    }

    /// Where the tasks before this one are. Relative, for a gateway may have put something before the path.
    fn link(&self, last: TaskId) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("before", &last.to_string());
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        for status in &self.status {
            query.append_pair("status", status.as_str());
        }
        format!("<?{}>; rel=\"next\"", query.finish())
    }
}

/// Takes the value of a parameter that may be given once.
fn once<T>(slot: &mut Option<T>, name: &str, value: Option<T>, expected: impl Fn() -> String) -> Result<(), Problem> {
    let twice = slot.is_some();
    *slot = value;
    if slot.is_none() || twice {
        return Err(Problem::bad_request(format!("the parameter {name}: expected {}, once", expected())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_asks_for_the_same_with_an_end() {
        let which = Which::read("status=In+Progress&limit=2&status=Failed", 10).unwrap();
        let link = which.link(TaskId::try_from(7).unwrap());
        let query = link.strip_prefix("<?").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        let next = Which::read(query, 10).unwrap();
        assert_eq!(next, Which { before: TaskId::try_from(7).ok(), ..which });
    }
}
