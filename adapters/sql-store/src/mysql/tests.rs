//! On a real server, by the packets themselves.

mod locks;
mod silence;

use sqlx::Row as _;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::ports::{DueBefore, Select, Store as _};
use taskwatch_core::task::{NewTask, Status};
use taskwatch_testbed::MariaDb;

use super::packet::Packet;
use super::select::{count_due, lock_due, lock_ids};
use super::transact::{changes, write};
use super::{MySqlStore, extend, read, *};
use crate::options::{ConnectOptions, PasswordSource, TlsMode};
use crate::plan::Found;
use crate::plan::tests::stale;
use crate::rows;

/// A database with this many tasks, due second by second.
pub(super) async fn database(tasks: usize) -> (MySqlStore, tempfile::TempDir) {
    database_by(MariaDb::shared().unwrap().port(), tasks).await
}

/// By way of this port.
async fn database_by(port: u16, tasks: usize) -> (MySqlStore, tempfile::TempDir) {
    let server = MariaDb::shared().unwrap();
    let name = server.create_database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, server.password()).unwrap();
    let url = format!("mysql://{}@{}:{port}/{name}", server.user(), server.host());
    let options =
        ConnectOptions { password: PasswordSource::File(password), tls: TlsMode::Disable, ..ConnectOptions::new(url) };
    let store = MySqlStore::open(&options).await.unwrap();
    store.migrate().await.unwrap();
    let tasks: Vec<NewTask> = (0..i64::try_from(tasks).unwrap())
        .map(|n| NewTask { not_before: Some(Timestamp::from_micros(n * 1_000_000)), ..NewTask::titled("t") })
        .collect();
    store.insert(&tasks, &Origin::new(Source::Local, "t"), Timestamp::EPOCH).await.unwrap();
    (store, folder)
}

fn lock(select: &Select) -> Packet {
    match select {
        Select::Ids(ids) => lock_ids(ids),
        Select::Due(due) => lock_due("'Pending'", due),
        Select::LeaseOver(due) => lock_due("'In Progress'", due),
    }
}

async fn found(link: &mut Link, select: &Select) -> Vec<Found> {
    let answers = link.send(lock(select)).await.unwrap();
    answers.last().unwrap().rows.iter().map(|row| rows::task(row).unwrap()).collect()
}

#[tokio::test]
async fn a_row_that_is_not_as_it_was_read_is_not_written() {
    let (store, _folder) = database(5).await;
    let select = Select::Ids((1..=5).map(|id| TaskId::try_from(id).unwrap()).collect());
    let mut link = Link::take(&store.pool).await.unwrap();
    let plan = stale(found(&mut link, &select).await);
    let written = write(&store.pool, link, &plan).await.unwrap().expect("not all were written");
    assert_eq!(written.iter().map(|id| id.get()).collect::<Vec<_>>(), [1], "the others differ from what was read");
    let mut link = Link::take(&store.pool).await.unwrap();
    let answers = link.send(Packet::new("SELECT task_id FROM task_ledger WHERE seq > 1")).await.unwrap();
    let entries: Vec<i64> = answers[0].rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(entries, [1], "an entry for each row written, and for no other");
}

/// The plan of each statement of a packet, a line for each table: type, key, rows, extra.
async fn explain(store: &MySqlStore, packet: Packet) -> String {
    let mut plan = String::new();
    for sql in packet.as_str().split(';').filter(|sql| sql.contains("tasks t")) {
        let mut link = Link::take(&store.pool).await.unwrap();
        plan.push_str(&explain_on(&mut link, sql).await);
    }
    plan
}

pub(super) async fn explain_on(link: &mut Link, sql: &str) -> String {
    let mut plan = String::new();
    let mut explain = Packet::new("EXPLAIN ");
    explain.sql(Box::leak(sql.to_owned().into_boxed_str()));
    for row in &link.send(explain).await.unwrap()[0].rows {
        let text = |name: &str| row.try_get::<Option<String>, _>(name).unwrap().unwrap_or_default();
        let rows = row.try_get::<i64, _>("rows").map_or_else(|_| text("rows"), |rows| rows.to_string());
        plan.push_str(&[text("table"), text("type"), text("key"), rows, text("Extra")].join("|"));
        plan.push('\n');
    }
    plan
}

#[tokio::test]
async fn due_work_is_found_by_its_index_and_rows_by_their_key() {
    let (store, _folder) = database(2000).await;
    let due =
        DueBefore { ours: Timestamp::from_micros(i64::MAX), foreign: Timestamp::from_micros(i64::MAX), limit: 10 };
    for select in [Select::Due(due), Select::LeaseOver(due)] {
        let plan = explain(&store, lock(&select)).await;
        assert!(plan.starts_with("t|range|tasks_due|"), "{plan}");
        assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{plan}");
    }
    let plan = explain(&store, count_due("'Pending'", &due)).await;
    assert!(plan.contains("\nt|range|tasks_due|") && !plan.contains("filesort"), "{plan}");
    let failed = Filter { statuses: vec![Status::Failed], limit: 10, ..Filter::default() };
    let plan = explain_on(&mut Link::take(&store.pool).await.unwrap(), read::page(&failed).as_str()).await;
    assert!(plan.starts_with("tasks|ref|tasks_due|"), "{plan}");
    let plan = explain(&store, read::open_tasks()).await;
    assert!(plan.starts_with("t|range|tasks_due|") || plan.starts_with("t|ref|tasks_due|"), "{plan}");
    let ids: Vec<TaskId> = (1..=3).map(|id| TaskId::try_from(id * 100).unwrap()).collect();
    let plan = explain(&store, lock(&Select::Ids(ids.clone()))).await;
    assert!(plan.starts_with("t|range|PRIMARY|3|"), "{plan}");
    let leases = [(100, 1), (200, 2), (300, 3)].into();
    let plan = explain(&store, extend::look(&leases)).await;
    assert!(plan.lines().count() == 2 && plan.lines().all(|line| line.starts_with("t|range|PRIMARY|3|")), "{plan}");
    let plan = explain(&store, extend::write(&leases, Timestamp::EPOCH)).await;
    assert!(plan.contains("\nt|eq_ref|PRIMARY|1|"), "{plan}");

    let mut link = Link::take(&store.pool).await.unwrap();
    let five = Select::Ids((1..=5).map(|id| TaskId::try_from(id).unwrap()).collect());
    let plan = explain(&store, changes(&stale(found(&mut link, &five).await).pieces(1 << 20)[0])).await;
    let tables: Vec<&str> = plan.lines().filter(|line| line.starts_with("t|")).collect();
    assert_eq!(tables.len(), 2, "{plan}");
    assert!(tables.iter().all(|line| line.starts_with("t|eq_ref|PRIMARY|1|")), "{plan}");

    // The first entries of new rows are made by walking those rows, and not the table.
    let origin = Origin::new(Source::Local, "t");
    let tasks = vec![NewTask::titled("t"); 3];
    let batch = crate::batch::Batch::new(&tasks, &std::collections::BTreeMap::new(), &origin, Timestamp::EPOCH);
    let mut link = Link::take(&store.pool).await.unwrap();
    let packet = insert::add(&batch, &batch.fresh, true, &origin, Timestamp::EPOCH, 1);
    let insert = packet.as_str().split(';').nth(2).unwrap().to_owned();
    link.send(Packet::new("INSERT INTO tasks (title) VALUES ('a'), ('b'), ('c')")).await.unwrap();
    let plan = explain_on(&mut link, &insert).await;
    assert!(plan.starts_with("tasks|range|PRIMARY|3|"), "{plan}");
}

#[tokio::test]
async fn a_row_asked_for_by_id_is_waited_for() {
    let (store, _folder) = database(2).await;
    let one = Select::Ids(vec![TaskId::try_from(1).unwrap()]);
    let mut holder = Link::take(&store.pool).await.unwrap();
    found(&mut holder, &one).await;
    let mut other = Link::take(&store.pool).await.unwrap();
    let mut waiting = std::pin::pin!(found(&mut other, &one));
    let patience = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(patience, &mut waiting).await.is_err(), "the row is locked");
    drop(holder);
    assert_eq!(waiting.await.len(), 1);
}

#[tokio::test]
async fn skip_locked_locks_no_more_than_it_takes() {
    let (store, _folder) = database(50).await;
    let select = Select::Due(DueBefore {
        ours: Timestamp::from_micros(i64::MAX),
        foreign: Timestamp::from_micros(i64::MAX),
        limit: 10,
    });
    let mut links = Vec::new();
    for worker in 0..5 {
        let mut link = Link::take(&store.pool).await.unwrap();
        let mine: Vec<i64> = found(&mut link, &select).await.iter().map(|found| found.row.id.get()).collect();
        assert_eq!(mine, (worker * 10 + 1..=worker * 10 + 10).collect::<Vec<_>>());
        links.push(link);
    }
    // Nor the gaps between: other programs go on inserting.
    let new = [NewTask { not_before: Some(Timestamp::from_micros(5_500_000)), ..NewTask::titled("between") }];
    store.insert(&new, &Origin::new(Source::Local, "t"), Timestamp::EPOCH).await.unwrap();
}
