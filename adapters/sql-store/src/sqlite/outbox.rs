//! Announcements: written after the ledger, in its transaction; taken and struck off in transactions of their own.

use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection, SqlitePool};
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::outbox::{Announcement, is_announced};
use taskwatch_core::time::Timestamp;

use super::{commit_fault, fault};
use crate::error::Fault;
use crate::limits;
use crate::outbox::Taken;
use crate::rows;

const ANNOUNCE: &str = "\
    INSERT INTO task_outbox (task_id, due_at, trace_id) \
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) ORDER BY key";

const TAKE: &str = "\
    SELECT o.number, t.id, t.title, t.description, o.trace_id FROM \
    (SELECT * FROM task_outbox INDEXED BY task_outbox_due WHERE due_at <= ?1 ORDER BY due_at, number LIMIT ?2) AS o \
    LEFT JOIN tasks AS t ON t.id = o.task_id ORDER BY o.due_at, o.number";

const HIDE: &str = "UPDATE task_outbox SET due_at = ?2 WHERE number IN (SELECT value FROM json_each(?1))";

const STRIKE: &str = "DELETE FROM task_outbox WHERE number IN (SELECT value FROM json_each(?1))";

/// Announces those entries which are; asks the database only if there are any.
pub(super) async fn announce<'a>(
    connection: &mut SqliteConnection,
    entries: impl IntoIterator<Item = &'a LedgerEntry>,
) -> Result<(), Fault> {
    let rows: Vec<Value> = entries
        .into_iter()
        .filter(|entry| is_announced(entry))
        .map(|entry| {
            let trace = entry.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE));
            json!([entry.task, entry.due, trace])
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = Value::from(rows).to_string();
    sqlx::query(ANNOUNCE).bind(rows).execute(connection).await.map(drop).map_err(|error| fault(&error))
}

/// Takes some of those that are due, in one transaction.
pub(super) async fn take(pool: &SqlitePool, limit: usize, now: Timestamp, again: Timestamp) -> Result<Taken, Fault> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| fault(&error))?;
    let found = sqlx::query(TAKE)
        .bind(now.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *transaction)
        .await
        .map_err(|error| fault(&error))?;
    let mut announcements: Vec<Announcement> = Vec::new();
    let mut orphans: Vec<i64> = Vec::new();
    for row in &found {
        match rows::announcement(row)? {
            Some(announcement) => announcements.push(announcement),
            None => orphans.push(row.try_get(0).map_err(|error| fault(&error))?),
        }
    }
    if found.is_empty() {
        transaction.rollback().await.map_err(|error| fault(&error))?;
        return Ok(Taken::default());
    }
    if !announcements.is_empty() {
        let numbers: Vec<i64> = announcements.iter().map(|one| one.number).collect();
        let hide = sqlx::query(HIDE).bind(json!(numbers).to_string()).bind(again.as_micros());
        hide.execute(&mut *transaction).await.map_err(|error| fault(&error))?;
    }
    if !orphans.is_empty() {
        strike(&mut transaction, &orphans).await?;
    }
    transaction.commit().await.map_err(|error| commit_fault(&error))?;
    Ok(Taken { announcements, orphans: orphans.len() })
}

/// Strikes these off. Doing it twice does no harm.
pub(super) async fn published(pool: &SqlitePool, numbers: &[i64]) -> Result<(), Fault> {
    if numbers.is_empty() {
        return Ok(());
    }
    let mut connection = pool.acquire().await.map_err(|error| fault(&error))?;
    strike(&mut connection, numbers).await
}

async fn strike(connection: &mut SqliteConnection, numbers: &[i64]) -> Result<(), Fault> {
    let strike = sqlx::query(STRIKE).bind(json!(numbers).to_string());
    strike.execute(connection).await.map(drop).map_err(|error| fault(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[tokio::test]
    async fn announcements_are_found_by_their_index_and_tasks_by_their_key() {
        let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        schema::sqlite::migrate(&mut connection).await.unwrap();
        let by_number = "SEARCH task_outbox USING INTEGER PRIMARY KEY (rowid=?)";
        for (sql, expected) in [
            (TAKE, "SEARCH task_outbox USING INDEX task_outbox_due (due_at<?)"),
            (TAKE, "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)"),
            (HIDE, by_number),
            (STRIKE, by_number),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&mut *connection).await.unwrap();
            let plan = rows.iter().map(|row| row.get("detail")).collect::<Vec<String>>().join("; ");
            assert!(plan.contains(expected), "{sql}: {plan}");
            assert!(!plan.contains("SCAN task"), "{sql}: {plan}");
        }
    }
}
