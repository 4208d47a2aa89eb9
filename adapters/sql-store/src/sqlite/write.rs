//! Transactions that write. Every batch goes in as one JSON document, so the statements are few and always the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::ports::{Decide, Inserted, Lease, Seen, Select};
use taskwatch_core::task::{LeaseToken, NewTask, TaskId};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::EventKind;

use super::outbox::announce;
use super::{commit_fault, fault};
use crate::batch::{self, Batch};
use crate::error::Fault;
use crate::limits;
use crate::plan::{Found, Plan, last_seq};
use crate::rows::{self, ledger_columns, task_columns, workable};

const BY_ID: &str =
    concat!("SELECT ", task_columns!(), " FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id");

/// `?1` status, `?2` the later of the two limits, `?3` the limit for rows of ours, `?4` for foreign ones, `?5` how many.
const DUE: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks INDEXED BY tasks_due WHERE status = ?1 AND due_at <= ?2 \
     AND due_at <= CASE WHEN recorded IS status THEN ?3 ELSE ?4 END AND ",
    workable!(),
    " ORDER BY due_at, id LIMIT ?5"
);

const UPDATE: &str = "\
    UPDATE tasks SET status = v.status, recorded = v.status, attempt = v.attempt, due_at = v.due, \
    lease_token = v.lease, seq = v.seq, reason = coalesce(v.reason, tasks.reason) \
    FROM (SELECT value ->> 0 AS id, value ->> 1 AS was, value ->> 2 AS was_lease, value ->> 3 AS was_seq, \
          value ->> 4 AS status, value ->> 5 AS attempt, value ->> 6 AS due, value ->> 7 AS lease, \
          value ->> 8 AS seq, value ->> 9 AS reason FROM json_each(?1)) AS v \
    WHERE tasks.id = v.id AND +tasks.status IS v.was AND tasks.lease_token IS v.was_lease AND tasks.seq = v.was_seq \
    RETURNING tasks.id";

const ENTER: &str = concat!(
    "INSERT INTO task_ledger (",
    ledger_columns!(),
    ") SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
     value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12 FROM json_each(?1)"
);

/// Of entries to be written, the first whose number is taken.
const STANDING: &str = "\
    SELECT l.task_id, l.seq FROM json_each(?1) AS v JOIN task_ledger AS l \
    ON l.task_id = v.value ->> 0 AND l.seq = v.value ->> 1 LIMIT 1";

const INSERT: &str = "\
    INSERT INTO tasks (title, description, status, recorded, due_at, max_attempts, on_abandon, seq, created_at, \
    idempotency_key) \
    SELECT value ->> 0, value ->> 1, 'Pending', 'Pending', value ->> 2, value ->> 3, value ->> 4, 1, value ->> 5, \
    value ->> 6 FROM json_each(?1) ORDER BY key \
    RETURNING id";

const KNOWN_KEYS: &str =
    "SELECT idempotency_key, id FROM tasks WHERE idempotency_key IN (SELECT value FROM json_each(?1))";

/// A settled attempt leaves its token, so `recorded` is asked as well as what another program may have made of `status`.
const EXTEND: &str = "\
    UPDATE tasks SET due_at = ?2 FROM (SELECT value ->> 0 AS id, value ->> 1 AS lease FROM json_each(?1)) AS v \
    WHERE tasks.id = v.id AND tasks.lease_token = v.lease AND +tasks.status = 'In Progress' \
    AND tasks.recorded = 'In Progress' \
    RETURNING tasks.id, tasks.lease_token";

pub(super) async fn transact(
    pool: &SqlitePool,
    announces: bool,
    select: &Select,
    decide: &Decide<'_>,
) -> Result<Vec<Seen>, Fault> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| fault(&error))?;
    let plan = Plan::new(read(&mut transaction, select).await?, decide)?.announcing(announces);
    if plan.len() == 0 {
        transaction.rollback().await.map_err(|error| fault(&error))?;
        return Ok(plan.seen(|_| false));
    }
    let written = write(&mut transaction, &plan).await?;
    transaction.commit().await.map_err(|error| commit_fault(&error))?;
    Ok(plan.seen(|id| written.contains(&id)))
}

/// Writes what was decided; answers with the rows that were still as they had been read.
async fn write(connection: &mut SqliteConnection, plan: &Plan) -> Result<BTreeSet<TaskId>, Fault> {
    let rows: Vec<Value> = plan
        .changes()
        .map(|(found, change)| {
            json!([
                found.row.id,
                found.raw_status(),
                found.row.lease.map(LeaseToken::get),
                found.row.seq,
                change.state.status,
                change.state.attempt,
                change.state.due,
                change.state.lease.map(LeaseToken::get),
                last_seq(found, change),
                change.reason.as_deref().map(|reason| limits::cut(reason, limits::REASON)),
            ])
        })
        .collect();
    let written = ids(connection, UPDATE, &rows).await?;
    let entries: Vec<&LedgerEntry> = plan
        .changes()
        .filter(|(found, _)| written.contains(&found.row.id))
        .flat_map(|(_, change)| &change.entries)
        .collect();
    enter(connection, &entries).await?;
    if plan.announces {
        announce(connection, entries).await?;
    }
    Ok(written)
}

pub(super) async fn extend(pool: &SqlitePool, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, Fault> {
    let rows: Vec<Value> = leases.iter().map(|lease| json!([lease.task, lease.token.get()])).collect();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| fault(&error))?;
    let query = sqlx::query_as(EXTEND).bind(Value::from(rows).to_string()).bind(until.as_micros());
    let held: Vec<(i64, i64)> = query.fetch_all(&mut *transaction).await.map_err(|error| fault(&error))?;
    transaction.commit().await.map_err(|error| commit_fault(&error))?;
    let held: BTreeSet<(i64, i64)> = held.into_iter().collect();
    let lost = |lease: &&Lease| !held.contains(&(lease.task.get(), lease.token.get()));
    Ok(leases.iter().filter(lost).map(|lease| lease.task).collect())
}

pub(super) async fn insert(
    pool: &SqlitePool,
    announces: bool,
    tasks: &[NewTask],
    origin: &Origin,
    now: Timestamp,
) -> Result<Vec<Inserted>, Fault> {
    tasks.iter().try_for_each(limits::check_task)?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| fault(&error))?;
    let known = known_keys(&mut transaction, tasks).await?;
    let batch = Batch::new(tasks, &known, origin, now);
    let rows: Vec<Value> = batch
        .fresh
        .iter()
        .map(|task| {
            json!([
                task.title,
                task.description,
                batch.due(task),
                task.max_attempts,
                task.on_abandon,
                now,
                task.idempotency_key,
            ])
        })
        .collect();
    // AUTOINCREMENT numbers the rows upwards in the order of the document.
    let ids: Vec<TaskId> = ids(&mut transaction, INSERT, &rows).await?.into_iter().collect();
    let entries: Vec<LedgerEntry> = batch.fresh.iter().zip(&ids).map(|(task, &id)| batch.entry(id, task)).collect();
    let entries: Vec<&LedgerEntry> = entries.iter().collect();
    enter(&mut transaction, &entries).await?;
    if announces {
        announce(&mut transaction, entries).await?;
    }
    transaction.commit().await.map_err(|error| commit_fault(&error))?;
    batch.inserted(&ids)
}

async fn known_keys(connection: &mut SqliteConnection, tasks: &[NewTask]) -> Result<BTreeMap<String, TaskId>, Fault> {
    let keys = batch::keys(tasks);
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query(KNOWN_KEYS).bind(json!(keys).to_string()).fetch_all(connection).await;
    let pair = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?));
    let pairs: Vec<(String, i64)> =
        rows.and_then(|rows| rows.iter().map(pair).collect()).map_err(|error| fault(&error))?;
    pairs
        .into_iter()
        .map(|(key, id)| Ok((key, TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))?)))
        .collect()
}

async fn read(connection: &mut SqliteConnection, select: &Select) -> Result<Vec<Found>, Fault> {
    let rows = match select {
        Select::Ids(ids) => {
            let ids = serde_json::to_string(ids).map_err(|error| Fault::Refused(error.to_string()))?;
            sqlx::query(BY_ID).bind(ids).fetch_all(connection).await
        }
        Select::Due(due) | Select::LeaseOver(due) => {
            let status = if matches!(select, Select::Due(_)) { "Pending" } else { "In Progress" };
            let limit = i64::try_from(due.limit).unwrap_or(i64::MAX);
            sqlx::query(DUE)
                .bind(status)
                .bind(due.ours.max(due.foreign).as_micros())
                .bind(due.ours.as_micros())
                .bind(due.foreign.as_micros())
                .bind(limit)
                .fetch_all(connection)
                .await
        }
    };
    rows.map_err(|error| fault(&error))?.iter().map(rows::task).collect()
}

/// Runs a statement on a batch and collects the ids that it answers with.
async fn ids(connection: &mut SqliteConnection, sql: &'static str, batch: &[Value]) -> Result<BTreeSet<TaskId>, Fault> {
    let query = sqlx::query(sql).bind(Value::from(batch).to_string());
    let rows = query.fetch_all(connection).await.map_err(|error| fault(&error))?;
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get(0).map_err(|error| fault(&error))?;
            TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))
        })
        .collect()
}

async fn enter(connection: &mut SqliteConnection, entries: &[&LedgerEntry]) -> Result<(), Fault> {
    let rows: Vec<Value> = entries.iter().map(|one| entry(one)).collect();
    let rows = Value::from(rows).to_string();
    let Err(error) = sqlx::query(ENTER).bind(&rows).execute(&mut *connection).await else { return Ok(()) };
    if !error.as_database_error().is_some_and(|error| error.is_unique_violation()) {
        return Err(fault(&error));
    }
    let standing = sqlx::query_as(STANDING).bind(rows).fetch_optional(&mut *connection).await;
    let Some((task, seq)) = standing.map_err(|error| fault(&error))? else { return Err(fault(&error)) };
    if entries.iter().all(|entry| entry.event != EventKind::Added) {
        return Err(Fault::entered_before(task, seq));
    }
    let largest: i64 = sqlx::query_scalar("SELECT max(task_id) FROM task_ledger")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    Err(Fault::ids_used_before(&format!("UPDATE sqlite_sequence SET seq = {largest} WHERE name = 'tasks'")))
}

/// In the order of the ledger's columns.
fn entry(entry: &LedgerEntry) -> Value {
    json!([
        entry.task,
        entry.seq,
        entry.event,
        entry.from,
        entry.to,
        entry.attempt,
        entry.due,
        entry.lease.map(LeaseToken::get),
        entry.at,
        entry.origin.source,
        limits::cut(&entry.origin.worker, limits::WORKER),
        entry.reason.as_deref().map(|reason| limits::cut(reason, limits::REASON)),
        entry.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::stale;
    use crate::schema;

    async fn database(folder: &tempfile::TempDir) -> SqlitePool {
        let path = format!("sqlite:{}?mode=rwc", folder.path().join("t.db").display());
        let pool = SqlitePool::connect(&path).await.unwrap();
        let mut transaction = pool.begin().await.unwrap();
        schema::sqlite::migrate(&mut transaction).await.unwrap();
        transaction.commit().await.unwrap();
        pool
    }

    #[tokio::test]
    async fn due_work_is_found_by_its_index_and_rows_by_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let pool = database(&folder).await;
        let by_key = "SEARCH tasks USING INTEGER PRIMARY KEY (rowid=?)";
        for (sql, expected) in [
            (DUE, "SEARCH tasks USING INDEX tasks_due (status=? AND due_at<?)"),
            (BY_ID, by_key),
            (UPDATE, by_key),
            (EXTEND, by_key),
            (super::super::read::ANY_OPEN, "SEARCH tasks USING INDEX tasks_due (status=?)"),
            (KNOWN_KEYS, "USING COVERING INDEX tasks_idempotency (idempotency_key=?)"),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&pool).await.unwrap();
            let plan = rows.iter().map(|row| row.get("detail")).collect::<Vec<String>>().join("; ");
            assert!(plan.contains(expected), "{sql}: {plan}");
            assert!(!plan.contains("SCAN tasks") && !plan.contains("TEMP B-TREE FOR ORDER"), "{sql}: {plan}");
        }
    }

    #[tokio::test]
    async fn a_row_that_is_not_as_it_was_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let pool = database(&folder).await;
        let origin = Origin::new(taskwatch_core::ledger::Source::Local, "t");
        let now = Timestamp::EPOCH;
        let tasks = vec![NewTask::titled("t"); 5];
        insert(&pool, false, &tasks, &origin, now).await.unwrap();
        let select = Select::Ids((1..=5).map(|id| TaskId::try_from(id).unwrap()).collect());
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let plan = stale(read(&mut transaction, &select).await.unwrap());
        let written = write(&mut transaction, &plan).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(written.iter().map(|id| id.get()).collect::<Vec<_>>(), [1], "the others differ from what was read");
        let entries: Vec<i64> =
            sqlx::query_scalar("SELECT task_id FROM task_ledger WHERE seq > 1").fetch_all(&pool).await.unwrap();
        assert_eq!(entries, [1], "an entry for each row written, and for no other");
    }
}
