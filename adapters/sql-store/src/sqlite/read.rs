//! Reads for people and for the audit.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use taskwatch_core::ports::{Filter, Record};
use taskwatch_core::task::{TaskId, TaskRow};

use super::fault;
use crate::error::Fault;
use crate::records::assemble;
use crate::rows::{self, ledger_columns, task_columns, workable};

/// What was finished stays finished, whatever another program has written over it.
const LIST: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE id > 0 AND id < ?1 AND (?2 IS NULL OR \
     CASE WHEN recorded IN ('Completed', 'Cancelled') THEN recorded ELSE status END \
     IN (SELECT value FROM json_each(?2))) \
     AND (?3 IS NULL OR instr(title, ?3) > 0) ORDER BY id DESC LIMIT ?4"
);

/// Stops at the first row that it finds by the index.
pub(super) const ANY_OPEN: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_due WHERE status IN ('Pending', 'In Progress') AND ",
    workable!(),
    ")"
);

/// Of a page, the last task: rows and ledgers each run through their own index and meet in the union.
const LAST: &str = "\
    SELECT max(id) FROM (SELECT id FROM ( \
        SELECT id FROM (SELECT id FROM tasks WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3) UNION \
        SELECT id FROM (SELECT DISTINCT task_id AS id FROM task_ledger WHERE task_id > ?1 AND task_id <= ?2 \
                        ORDER BY task_id LIMIT ?3) \
    ) ORDER BY id LIMIT ?3)";

const ROWS: &str = concat!("SELECT ", task_columns!(), " FROM tasks WHERE id > ?1 AND id <= ?2 ORDER BY id");

const ENTRIES: &str = concat!(
    "SELECT ",
    ledger_columns!(),
    " FROM task_ledger WHERE task_id > ?1 AND task_id <= ?2 ORDER BY task_id, seq"
);

const SEVERAL_ROWS: &str =
    concat!("SELECT ", task_columns!(), " FROM tasks WHERE id > 0 AND id IN (SELECT value FROM json_each(?1))");

const SEVERAL_ENTRIES: &str = concat!(
    "SELECT ",
    ledger_columns!(),
    " FROM task_ledger WHERE task_id IN (SELECT value FROM json_each(?1)) ORDER BY task_id, seq"
);

pub(super) async fn list(pool: &SqlitePool, filter: &Filter) -> Result<Vec<TaskRow>, Fault> {
    let statuses = (!filter.statuses.is_empty()).then(|| serde_json::json!(filter.statuses).to_string());
    let rows = sqlx::query(LIST)
        .bind(filter.before.map_or(i64::MAX, TaskId::get))
        .bind(statuses)
        .bind(filter.title.as_deref())
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await
        .map_err(|error| fault(&error))?;
    rows.iter().map(|row| Ok(rows::task(row)?.row)).collect()
}

/// Whether anything is left to be done.
pub(super) async fn any_open(pool: &SqlitePool) -> Result<bool, Fault> {
    sqlx::query_scalar(ANY_OPEN).fetch_one(pool).await.map_err(|error| fault(&error))
}

/// Up to `limit` tasks with `after < id <= upto`, all as of one instant.
pub(super) async fn records(pool: &SqlitePool, after: i64, upto: i64, limit: usize) -> Result<Vec<Record>, Fault> {
    let refused = |error: sqlx::Error| fault(&error);
    // What follows reads the state that the first statement found.
    let mut transaction = pool.begin().await.map_err(refused)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let last = sqlx::query(LAST).bind(after).bind(upto).bind(limit).fetch_one(&mut *transaction).await;
    let Some(last) = last.and_then(|row| row.try_get::<Option<i64>, _>(0)).map_err(refused)? else {
        return Ok(Vec::new());
    };
    let found = sqlx::query(ROWS).bind(after).bind(last).fetch_all(&mut *transaction).await.map_err(refused)?;
    let entries = sqlx::query(ENTRIES).bind(after).bind(last).fetch_all(&mut *transaction).await.map_err(refused)?;
    transaction.rollback().await.map_err(refused)?;
    together(&found, &entries)
}

/// Those of these tasks that there are, all as of one instant.
pub(super) async fn several(pool: &SqlitePool, tasks: &[TaskId]) -> Result<Vec<Record>, Fault> {
    let refused = |error: sqlx::Error| fault(&error);
    let ids = serde_json::json!(tasks).to_string();
    let mut transaction = pool.begin().await.map_err(refused)?;
    let found = sqlx::query(SEVERAL_ROWS).bind(&ids).fetch_all(&mut *transaction).await.map_err(refused)?;
    let entries = sqlx::query(SEVERAL_ENTRIES).bind(&ids).fetch_all(&mut *transaction).await.map_err(refused)?;
    transaction.rollback().await.map_err(refused)?;
    together(&found, &entries)
}

fn together(found: &[SqliteRow], entries: &[SqliteRow]) -> Result<Vec<Record>, Fault> {
    let found: BTreeMap<TaskId, TaskRow> =
        found.iter().map(|row| rows::task(row).map(|found| (found.row.id, found.row))).collect::<Result<_, _>>()?;
    Ok(assemble(found, entries.iter().map(rows::entry).collect::<Result<_, _>>()?))
}
