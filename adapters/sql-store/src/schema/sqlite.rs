//! The schema on SQLite, where a migration is one transaction.

use sqlx::{Row, SqliteConnection};

use super::SCHEMA_VERSION;
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

const ADDITIONS: [&str; 5] = [
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

/// Brings the database to [`SCHEMA_VERSION`]. `connection` is inside an immediate transaction, which the caller commits.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let found = version(connection).await.map_err(|fault| fault.in_schema("read the version"))?;
    super::refuse_newer(found)?;
    if found == SCHEMA_VERSION {
        return Ok(());
    }
    let columns = columns(connection).await?;
    if columns.is_empty() {
        run(connection, "create tasks", TASKS).await?;
    } else {
        adopt_table(connection, &columns).await?;
    }
    for statement in ADDITIONS {
        run(connection, "create what stands beside tasks", statement).await?;
    }
    let done =
        "INSERT INTO taskwatch_schema VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)";
    run(connection, "note the version", done).await
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
    for statement in [
        "ALTER TABLE tasks RENAME TO tasks_before_taskwatch",
        TASKS,
        "INSERT INTO tasks (id, title, description, status) SELECT id, title, description, status \
         FROM tasks_before_taskwatch ORDER BY id",
        "DROP TABLE tasks_before_taskwatch",
    ] {
        run(connection, "copy tasks into a table with the new columns", statement).await?;
    }
    Ok(())
}

/// Refuses a `tasks` table that lost what the schema gave it.
pub(crate) async fn check(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    let found = version(connection).await.map_err(|fault| fault.in_schema("read the version"))?;
    super::require_current(found)?;
    for (table, select) in [
        ("tasks", concat!("SELECT ", crate::rows::task_columns!(), ", idempotency_key FROM tasks LIMIT 0")),
        ("task_ledger", concat!("SELECT ", crate::rows::ledger_columns!(), " FROM task_ledger LIMIT 0")),
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
