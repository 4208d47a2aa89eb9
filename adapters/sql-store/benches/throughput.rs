//! Tasks per second through claim and complete, next to what the database can do at the least.
//!
//! Run with `cargo bench -p taskwatch-sql-store`. Three ways take turns on the same database, a few hundred tasks each,
//! and the table holds the median of the rounds:
//!
//! - `store`: the store, claiming and completing a batch in a transaction each, with the ledger;
//! - `bare`: a loop of two UPDATEs a task, on one connection, by primary key, with no ledger and no transaction;
//! - `one by one`: the store with a batch of one.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends on an error, and prints")]

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, SqliteConnection};
use taskwatch_core::ledger::{LedgerEntry, Origin, Source};
use taskwatch_core::ports::{Change, DueBefore, Inserted, Select, Store as _};
use taskwatch_core::task::{LeaseToken, NewTask, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;
use taskwatch_core::transition::{Event, transition};
use taskwatch_sql_store::{ConnectOptions, PasswordSource, SqlStore, TlsMode};
use taskwatch_testbed::MariaDb;

const ROUNDS: usize = 7;
const TASKS: usize = 300;

/// A database behind the store, and a bare connection to it.
struct Database {
    name: &'static str,
    store: SqlStore,
    bare: Bare,
}

enum Bare {
    Sqlite(SqliteConnection),
    MySql(MySqlConnection),
}

impl Bare {
    async fn run(&mut self, sql: String) {
        match self {
            Self::Sqlite(connection) => connection.execute(AssertSqlSafe(sql)).await.map(drop).unwrap(),
            Self::MySql(connection) => connection.execute(AssertSqlSafe(sql)).await.map(drop).unwrap(),
        }
    }
}

fn apply(row: &TaskRow, event: &Event, now: Timestamp, origin: &Origin) -> Option<Change> {
    let before = row.state()?;
    let after = transition(Some(&before), event).ok()?;
    let entry = LedgerEntry {
        task: row.id,
        seq: row.seq + 1,
        event: event.kind(),
        from: Some(before.status),
        to: after.status,
        attempt: after.attempt,
        due: after.due,
        lease: after.lease,
        at: now,
        origin: origin.clone(),
        reason: None,
        trace: None,
    };
    Some(Change { state: after, reason: None, entries: vec![entry] })
}

async fn add(store: &SqlStore, origin: &Origin) -> Vec<TaskId> {
    let tasks: Vec<NewTask> = (0..TASKS).map(|n| NewTask::titled(format!("task {n}"))).collect();
    let added = store.insert(&tasks, origin, Timestamp::EPOCH).await.unwrap();
    added.iter().map(Inserted::task).collect()
}

/// Claims what is due and completes it, batch by batch, until nothing is left.
async fn through_store(store: &SqlStore, origin: &Origin, batch: usize) -> Duration {
    add(store, origin).await;
    let now = Timestamp::from_micros(1_000_000);
    let due = Select::Due(DueBefore { ours: now, foreign: now, limit: batch });
    let claim = |row: &TaskRow| {
        let token = LeaseToken::from_random(row.id.get().unsigned_abs() << 8);
        apply(row, &Event::Started { token, now, lease_until: now + Duration::from_secs(60) }, now, origin)
    };
    let complete = |row: &TaskRow| apply(row, &Event::Completed { token: row.lease?, now }, now, origin);
    let started = Instant::now();
    let mut done = 0;
    while done < TASKS {
        let seen = store.transact(&due, &claim).await.unwrap();
        let ids: Vec<TaskId> = seen.iter().filter(|seen| seen.written).map(|seen| seen.row.id).collect();
        let settled = store.transact(&Select::Ids(ids), &complete).await.unwrap();
        done += settled.iter().filter(|seen| seen.written).count();
    }
    started.elapsed()
}

/// The two UPDATEs of the old system.
async fn through_updates(database: &mut Database, origin: &Origin) -> Duration {
    let ids = add(&database.store, origin).await;
    let started = Instant::now();
    for id in ids {
        for status in ["In Progress", "Completed"] {
            database.bare.run(format!("UPDATE tasks SET status = '{status}' WHERE id = {id}")).await;
        }
    }
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

async fn measure(mut database: Database) {
    let origin = Origin::new(Source::Local, "bench");
    let batches = [1, 10, 100];
    let mut store: Vec<Vec<Duration>> = vec![Vec::new(); batches.len()];
    let mut bare = Vec::new();
    for round in 0..=ROUNDS {
        let updates = through_updates(&mut database, &origin).await;
        let mut times = Vec::new();
        for batch in batches {
            times.push(through_store(&database.store, &origin, batch).await);
        }
        // The first round only warms up.
        if round > 0 {
            bare.push(updates);
            store.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let count = f64::from(u32::try_from(TASKS).unwrap());
    let bare = median(bare);
    let single = median(store[0].clone());
    println!("{:<8} {:>7} {:>12.0} {:>14} {:>16}", database.name, "bare", count / bare, "1.00", "");
    for (batch, times) in batches.into_iter().zip(store) {
        let time = median(times);
        let (to_bare, to_single) = (bare / time, single / time);
        println!("{:<8} {batch:>7} {:>12.0} {to_bare:>14.2} {to_single:>16.2}", database.name, count / time);
    }
}

async fn sqlite(folder: &tempfile::TempDir) -> Database {
    let path = folder.path().join("tasks.db");
    let store = SqlStore::open(&ConnectOptions::new(format!("sqlite:{}", path.display()))).await.unwrap();
    store.migrate().await.unwrap();
    let mut bare = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    // As durable as the store, or the comparison would be with something else.
    bare.execute("PRAGMA synchronous = FULL").await.unwrap();
    Database { name: "sqlite", store, bare: Bare::Sqlite(bare) }
}

async fn mysql(server: &MariaDb, folder: &tempfile::TempDir) -> Database {
    let name = server.create_database().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, server.password()).unwrap();
    let address = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
    let options = ConnectOptions {
        password: PasswordSource::File(password),
        tls: TlsMode::Disable,
        ..ConnectOptions::new(address)
    };
    let store = SqlStore::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let bare = MySqlConnection::connect(&format!("{}?ssl-mode=DISABLED", server.url(&name))).await.unwrap();
    Database { name: "mariadb", store, bare: Bare::MySql(bare) }
}

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    println!("{:<8} {:>7} {:>12} {:>14} {:>16}", "", "batch", "tasks/s", "to bare", "to one by one");
    measure(sqlite(&folder).await).await;
    let server = MariaDb::start().unwrap();
    measure(mysql(&server, &folder).await).await;
}
