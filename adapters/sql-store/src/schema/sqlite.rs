//! The schema on SQLite, where a migration is one transaction.

use sqlx::{Row, SqliteConnection};

use crate::error::{Fault, SchemaError};
use crate::sqlite::fault;

/// Milliseconds are what every SQLite that another program may bring along can tell.
const TASKS: &str = "\
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title VARCHAR(255) NOT NULL,
    description TEXT,
    status VARCHAR(50) DEFAULT 'Pending',
    recorded VARCHAR(50),
    attempt INTEGER NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000),
    lease_token BIGINT,
    max_attempts INTEGER,
    on_abandon VARCHAR(16) NOT NULL DEFAULT 'retry',
    seq INTEGER NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000),
    reason VARCHAR(1024),
    idempotency_key VARCHAR(255)
)";

/// What version 1 adds beside `tasks`.
const FIRST: [&str; 5] = [
    "CREATE UNIQUE INDEX tasks_idempotency ON tasks (idempotency_key)",
    "CREATE INDEX tasks_due ON tasks (status, due_at, id)",
    "CREATE TABLE task_ledger (
        task_id BIGINT NOT NULL,
        seq INTEGER NOT NULL,
        event VARCHAR(16) NOT NULL,
        from_status VARCHAR(50),
        to_status VARCHAR(50) NOT NULL,
        attempt INTEGER NOT NULL,
        due_at BIGINT NOT NULL,
        lease_token BIGINT,
        recorded_at BIGINT NOT NULL,
        source VARCHAR(16) NOT NULL,
        worker VARCHAR(255) NOT NULL,
        reason VARCHAR(1024),
        trace_id VARCHAR(64),
        PRIMARY KEY (task_id, seq)
    ) WITHOUT ROWID",
    "CREATE INDEX task_ledger_time ON task_ledger (recorded_at)",
    "CREATE TABLE taskwatch_schema (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)",
];

/// What version 2 adds. Numbers are not given out again: a relay that is late must not strike off another's announcement.
const SECOND: [&str; 2] = [
    "CREATE TABLE task_outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        trace_id VARCHAR(64)
    )",
    "CREATE INDEX task_outbox_due ON task_outbox (due_at, number)",
];

const NOTE_VERSION: [&str; 2] = [
    "INSERT INTO taskwatch_schema VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)",
    "INSERT INTO taskwatch_schema VALUES (2, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)",
];

/// The version of the database, 0 when taskwatch never was here.
pub(crate) async fn version(connection: &mut SqliteConnection) -> Result<u32, Fault> {
    let known = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'taskwatch_schema'";
    let known: i64 = sqlx::query_scalar(known).fetch_one(&mut *connection).await.map_err(|error| fault(&error))?;
    if known == 0 {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM taskwatch_schema")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    u32::try_from(version.unwrap_or(0)).map_err(|_| Fault::Refused("taskwatch_schema holds no version number".into()))
}

/// Brings the database to [`super::SCHEMA_VERSION`]. `connection` is inside an immediate transaction, which the caller commits.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let found = version(connection).await.map_err(|fault| fault.in_schema("read the version"))?;
    super::refuse_newer(found)?;
    if found < 1 {
        let columns = columns(connection).await?;
        if columns.is_empty() {
            run(connection, "create tasks", TASKS).await?;
        } else {
            adopt_table(connection, &columns).await?;
        }
        for statement in FIRST {
            run(connection, "create what stands beside tasks", statement).await?;
        }
        run(connection, "note the version", NOTE_VERSION[0]).await?;
    }
    if found < 2 {
        for statement in SECOND {
            run(connection, "create task_outbox", statement).await?;
        }
        run(connection, "note the version", NOTE_VERSION[1]).await?;
    }
    Ok(())
}

/// SQLite adds no column whose default is the time: the table is copied into one that has them.
async fn adopt_table(connection: &mut SqliteConnection, columns: &[String]) -> Result<(), SchemaError> {
    let expected = ["id", "title", "description", "status"];
    if let Some(missing) = expected.iter().find(|name| !columns.iter().any(|column| column == *name)) {
        let why = format!("it has no column {missing}, so it is not a table of tasks: choose another database file");
        return Err(SchemaError::Table { table: "tasks", why });
    }
    if let Some(other) = columns.iter().find(|column| !expected.contains(&column.as_str())) {
        let why = format!("copying it would lose its column {other}: rename or drop that column first");
        return Err(SchemaError::Table { table: "tasks", why });
    }
    let kept = beside(connection).await?;
    let last = last_number(connection).await.map_err(|error| fault(&error).in_schema("read the last id of tasks"))?;
    // Not by renaming, which would rewrite the views and triggers that name the table.
    for statement in [
        "CREATE TEMP TABLE tasks_before_taskwatch AS SELECT id, title, description, status FROM main.tasks",
        "DROP TABLE main.tasks",
        TASKS,
        "INSERT INTO main.tasks (id, title, description, status) SELECT id, title, description, status \
         FROM temp.tasks_before_taskwatch ORDER BY id",
        "DROP TABLE temp.tasks_before_taskwatch",
    ] {
        run(connection, "copy tasks into a table with the new columns", statement).await?;
    }
    // An id that was given out is not given out again, though its row is gone.
    for statement in [
        "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'tasks'",
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'tasks', ?1 \
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'tasks')",
    ] {
        let done = sqlx::query(statement).bind(last).execute(&mut *connection).await;
        done.map_err(|error| fault(&error).in_schema("go on with the ids of tasks"))?;
    }
    for Beside { name, sql } in kept {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await;
        done.map_err(|error| {
            let why = format!("{name}: {}; drop it first", fault(&error).message());
            SchemaError::Refused { step: "put back the indexes and triggers of tasks", why }
        })?;
    }
    Ok(())
}

/// An index or a trigger.
struct Beside {
    name: String,
    sql: String,
}

/// The indexes and triggers that go with the table when it is dropped. Refuses what could not be put back.
async fn beside(connection: &mut SqliteConnection) -> Result<Vec<Beside>, SchemaError> {
    let refused = |error: sqlx::Error| fault(&error).in_schema("look at what stands beside tasks");
    let view = "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND name = 'tasks' COLLATE NOCASE";
    if sqlx::query_scalar::<_, i64>(view).fetch_one(&mut *connection).await.map_err(refused)? > 0 {
        let why = "it is a view: the store needs a table of its own".to_owned();
        return Err(SchemaError::Table { table: "tasks", why });
    }
    let unique = "SELECT count(*) FROM pragma_index_list('tasks') WHERE origin = 'u'";
    if sqlx::query_scalar::<_, i64>(unique).fetch_one(&mut *connection).await.map_err(refused)? > 0 {
        let why = "copying it would lose its UNIQUE constraint: make that a CREATE UNIQUE INDEX first".to_owned();
        return Err(SchemaError::Table { table: "tasks", why });
    }
    // What makes the primary key is an index without a text.
    let kept = "SELECT name, sql FROM sqlite_master \
                WHERE tbl_name = 'tasks' COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL";
    let rows = sqlx::query(kept).fetch_all(connection).await.map_err(refused)?;
    let one = |row: &sqlx::sqlite::SqliteRow| Ok(Beside { name: row.try_get(0)?, sql: row.try_get(1)? });
    rows.iter().map(one).collect::<Result<_, sqlx::Error>>().map_err(refused)
}

/// The highest id that the table has given out, where it keeps count.
async fn last_number(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let counted = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
    if sqlx::query_scalar::<_, i64>(counted).fetch_one(&mut *connection).await? == 0 {
        return Ok(0);
    }
    let last = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'tasks' COLLATE NOCASE";
    Ok(sqlx::query_scalar::<_, Option<i64>>(last).fetch_one(connection).await?.unwrap_or(0))
}

/// Refuses a `tasks` table that lost what the schema gave it.
pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let found = version(connection).await.map_err(|fault| fault.in_schema("read the version"))?;
    super::require_current(found)?;
    for (table, select) in [
        ("tasks", concat!("SELECT ", crate::rows::task_columns!(), ", idempotency_key FROM tasks LIMIT 0")),
        ("task_ledger", concat!("SELECT ", crate::rows::ledger_columns!(), " FROM task_ledger LIMIT 0")),
        ("task_outbox", "SELECT number, task_id, due_at, trace_id FROM task_outbox LIMIT 0"),
    ] {
        sqlx::query(select)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| SchemaError::Table { table, why: fault(&error).message().to_owned() })?;
    }
    Ok(())
}

async fn columns(connection: &mut SqliteConnection) -> Result<Vec<String>, SchemaError> {
    let read = async {
        let rows = sqlx::query("SELECT name FROM pragma_table_info('tasks')").fetch_all(connection).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, sqlx::Error>>()
    };
    read.await.map_err(|error| fault(&error).in_schema("read the columns of tasks"))
}

async fn run(connection: &mut SqliteConnection, step: &'static str, sql: &'static str) -> Result<(), SchemaError> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|error| fault(&error).in_schema(step))
}
