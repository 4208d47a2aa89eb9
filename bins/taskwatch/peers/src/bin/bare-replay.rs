//! The bare limit of a replay: `bare-replay FILE JOURNAL` reads the same file, keeps its messages in an SQLite file, and
//! runs the same statements for each hundred of them, one after the other.
//!
//! It judges nothing, fences nothing, starts no handler and repeats nothing: whatever taskwatch costs more is what it does
//! more. The same JSON parser, the same database drivers, the same settings of SQLite.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, raw_sql};

/// Rows that are kept in one transaction, and letters that are replayed together: as taskwatch does it.
const KEPT_AT_ONCE: usize = 4096;
const AT_ONCE: i64 = 100;

const TABLES: &str = "
    CREATE TABLE entries (number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, state INTEGER NOT NULL) STRICT;
    CREATE TABLE contents (number INTEGER PRIMARY KEY, body TEXT) STRICT;";

const KEEP: [&str; 2] = [
    "INSERT INTO entries SELECT value ->> 0, value ->> 1, 1 FROM json_each(?1)",
    "INSERT INTO contents SELECT value ->> 0, value ->> 2 FROM json_each(?1)",
];

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "messageId")]
    id: String,
    body: String,
}

#[derive(Deserialize)]
struct Announcement {
    task_id: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = env::args().skip(1);
    let (file, journal) = words.next().zip(words.next()).context("usage: bare-replay FILE JOURNAL")?;
    let options = SqliteConnectOptions::new().filename(journal).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut journal = options.pragma("cache_size", "-32768").connect().await?;
    raw_sql(TABLES).execute(&mut journal).await?;
    keep(&file, &mut journal).await?;
    let mut tasks = connect().await?;
    let mut after = 0;
    loop {
        let page = "SELECT e.number, c.body FROM entries e JOIN contents c ON c.number = e.number \
                    WHERE e.state = 1 AND e.number > ?1 ORDER BY e.number LIMIT ?2";
        let page: Vec<(i64, String)> = sqlx::query_as(page).bind(after).bind(AT_ONCE).fetch_all(&mut journal).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        replay(&page, &mut journal, &mut tasks).await?;
    }
}

async fn keep(file: &str, journal: &mut SqliteConnection) -> Result<()> {
    let mut lines = BufReader::new(File::open(file)?).lines().enumerate();
    loop {
        let mut rows = Vec::with_capacity(KEPT_AT_ONCE);
        for (number, line) in lines.by_ref().take(KEPT_AT_ONCE) {
            let record: Record = serde_json::from_str(&line?)?;
            rows.push(json!([number + 1, record.id, record.body]));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let rows = serde_json::Value::from(rows).to_string();
        let mut transaction = journal.begin().await?;
        for statement in KEEP {
            sqlx::query(statement).bind(&rows).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
}

async fn replay(page: &[(i64, String)], journal: &mut SqliteConnection, tasks: &mut MySqlConnection) -> Result<()> {
    let ids = page.iter().map(|(_, body)| Ok(serde_json::from_str::<Announcement>(body)?.task_id));
    let ids = ids.collect::<Result<Vec<i64>>>()?;
    let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let read = format!(
        "SELECT * FROM tasks WHERE id IN ({list}); SELECT * FROM task_ledger WHERE task_id IN ({list}) ORDER BY task_id, seq"
    );
    raw_sql(AssertSqlSafe(read)).fetch_all(&mut *tasks).await?;
    mark(journal, page, 2).await?;
    let moves = [
        ("Replayed", "Failed", "Pending", "0", 4),
        ("Started", "Pending", "In Progress", "1", 5),
        ("Completed", "In Progress", "Completed", "1", 6),
    ];
    for (event, from, to, attempt, seq) in moves {
        let entries = ids.iter().map(|id| {
            format!("({id}, {seq}, '{event}', '{from}', '{to}', {attempt}, 0, NULL, 0, 'replay', 'bare', NULL, NULL)")
        });
        let entries = entries.collect::<Vec<_>>().join(", ");
        let step = format!(
            "BEGIN; UPDATE tasks SET status = '{to}', recorded = '{to}', seq = {seq} WHERE id IN ({list}); \
             INSERT INTO task_ledger VALUES {entries}; COMMIT"
        );
        raw_sql(AssertSqlSafe(step)).execute(&mut *tasks).await?;
    }
    mark(journal, page, 10).await
}

async fn mark(journal: &mut SqliteConnection, page: &[(i64, String)], state: i64) -> Result<()> {
    let numbers = json!(page.iter().map(|(number, _)| number).collect::<Vec<_>>()).to_string();
    let mark = "UPDATE entries SET state = ?2 WHERE number IN (SELECT value FROM json_each(?1))";
    sqlx::query(mark).bind(numbers).bind(state).execute(journal).await?;
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("failed to read {name}"))
}

/// With the settings that taskwatch reads.
async fn connect() -> Result<MySqlConnection> {
    let options: MySqlConnectOptions = variable("TASKWATCH_DATABASE_URL")?.parse()?;
    let password = fs::read_to_string(variable("TASKWATCH_DATABASE_PASSWORD_FILE")?)?;
    let options = options.password(&password).ssl_mode(MySqlSslMode::VerifyIdentity);
    Ok(options.ssl_ca(variable("TASKWATCH_DATABASE_CA_FILE")?).connect().await?)
}
