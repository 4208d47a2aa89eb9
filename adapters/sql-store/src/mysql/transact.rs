//! The transaction of the engine, in two packets: lock and read; write and commit.

use std::collections::BTreeSet;

use deadpool::managed::Pool;
use sqlx::Row;
use sqlx::mysql::MySqlRow;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::{Change, Decide, DueBefore, Lease, Seen, Select};
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use super::fault::commit_fault;
use super::packet::Packet;
use super::session::{Connector, Link};
use crate::error::Fault;
use crate::limits;
use crate::plan::{Found, Plan, last_seq, lost};
use crate::rows::{self, ledger_columns, task_columns};

/// Compares the status column byte by byte, in whatever character set a legacy table keeps it.
macro_rules! exact_status {
    () => {
        "CAST(CONVERT(t.status USING utf8mb4) AS BINARY)"
    };
}

pub(super) async fn transact(pool: &Pool<Connector>, select: &Select, decide: &Decide<'_>) -> Result<Vec<Seen>, Fault> {
    let Some(packet) = lock(select) else { return Ok(Vec::new()) };
    let mut link = Link::take(pool).await?;
    let answers = match link.send(packet).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let rows = answers.last().map_or(&[][..], |answer| &answer.rows);
    let found: Vec<Found> = rows.iter().map(rows::task).collect::<Result<_, _>>()?;
    drop(answers);
    let plan = Plan::new(found, decide)?;
    if plan.len() == 0 {
        return match link.send(Packet::new("ROLLBACK")).await {
            Ok(_) => {
                link.release();
                Ok(plan.seen(|_| false))
            }
            Err(broken) => Err(link.abandon(pool, &broken).await),
        };
    }
    let written = write(pool, link, &plan).await?;
    Ok(plan.seen(|id| written.as_ref().is_none_or(|ids| ids.contains(&id))))
}

/// `START TRANSACTION` and the reading of rows; `None` if no row is asked for.
pub(super) fn lock(select: &Select) -> Option<Packet> {
    let mut packet = Packet::new("START TRANSACTION");
    match select {
        Select::Ids(ids) if ids.is_empty() => return None,
        Select::Ids(ids) => {
            // In order, so that two transactions with ids in common wait for each other instead of deadlocking.
            let ids: BTreeSet<i64> = ids.iter().map(|id| id.get()).collect();
            packet
                .then(concat!("SELECT ", task_columns!(), " FROM tasks t FORCE INDEX (PRIMARY) WHERE id IN ("))
                .list(ids, |packet, id| packet.int(id))
                .sql(") ORDER BY id FOR UPDATE");
        }
        Select::Due(due) => select_due(&mut packet, "'Pending'", due),
        Select::LeaseOver(due) => select_due(&mut packet, "'In Progress'", due),
    }
    Some(packet)
}

/// Walks the index from the earliest row on. Rows that another program wrote over after they were settled stay settled,
/// and would stand at the head for ever.
fn select_due(packet: &mut Packet, status: &'static str, due: &DueBefore) {
    packet
        .then(concat!("SELECT ", task_columns!(), " FROM tasks t FORCE INDEX (tasks_due) WHERE status = "))
        .sql(status)
        .sql(concat!(" AND ", exact_status!(), " = "))
        .sql(status)
        .sql(" AND due_at <= ")
        .int(due.ours.max(due.foreign).as_micros())
        .sql(" AND due_at <= CASE WHEN recorded = ")
        .sql(status)
        .sql(" THEN ")
        .int(due.ours.as_micros())
        .sql(" ELSE ")
        .int(due.foreign.as_micros())
        .sql(" END AND (recorded IS NULL OR recorded NOT IN ('Completed', 'Cancelled')) ORDER BY due_at, id LIMIT ")
        .int(i64::try_from(due.limit).unwrap_or(i64::MAX))
        .sql(" FOR UPDATE SKIP LOCKED");
}

/// Writes what was decided, and commits. Answers with the tasks written, `None` for all.
async fn write(pool: &Pool<Connector>, mut link: Link, plan: &Plan) -> Result<Option<BTreeSet<TaskId>>, Fault> {
    let packet = changes(plan);
    let last = packet.statements() - 1;
    let answers = match link.send(packet).await {
        Ok(answers) => answers,
        Err(broken) => {
            let fault = commit_fault(&broken.error, broken.done == last);
            return Err(link.abandon_as(pool, &broken.error, fault).await);
        }
    };
    let entries = plan.changes().map(|(_, change)| change.entries.len()).sum::<usize>();
    let all = answers.get(1).is_some_and(|entered| usize::try_from(entered.affected) == Ok(entries));
    let written = if all { None } else { Some(entered(&mut link, plan).await?) };
    link.release();
    Ok(written)
}

/// The compare-and-set of the rows, the entries of those rows that now are as they were to be, and the commit.
///
/// The join order is forced: each row of `v` leads to one row of the table, by its primary key.
fn changes(plan: &Plan) -> Packet {
    let mut packet = Packet::new("UPDATE ");
    packet
        .rows(plan.changes(), |packet, (found, change), first| row(packet, found, change, first))
        .sql(concat!(
            " v STRAIGHT_JOIN tasks t ON t.id = v.id SET t.status = v.status, t.recorded = v.status, \
             t.attempt = v.attempt, t.due_at = v.due, t.lease_token = v.lease, t.seq = v.seq, \
             t.reason = COALESCE(v.reason, t.reason) WHERE ",
            exact_status!(),
            " <=> CAST(v.was AS BINARY) AND t.lease_token <=> v.was_lease AND t.seq = v.was_seq"
        ))
        .then(concat!(
            "INSERT INTO task_ledger (",
            ledger_columns!(),
            ") SELECT v.id, v.seq, v.event, v.was, v.became, v.attempt, v.due, v.lease, v.moment, v.source, v.worker, v.why, \
             v.trace FROM "
        ))
        .rows(
            plan.changes().flat_map(|(found, change)| change.entries.iter().map(move |entry| (entry, found, change))),
            |packet, (entry, found, change), first| {
                entry_row(packet, entry, first);
                packet.sql(", ").int(last_seq(found, change)).sql(if first { " AS row_seq, " } else { ", " });
                let lease = change.state.lease.map(|lease| lease.get());
                packet.int_or_null(lease).sql(if first { " AS row_lease, " } else { ", " });
                packet.int(change.state.due.as_micros()).sql(if first { " AS row_due" } else { "" });
            },
        )
        .sql(
            " v STRAIGHT_JOIN tasks t ON t.id = v.id WHERE t.seq = v.row_seq AND t.lease_token <=> v.row_lease \
             AND t.due_at = v.row_due",
        )
        .then("COMMIT");
    packet
}

/// One row to write: how it was, and how it is to be.
fn row(packet: &mut Packet, found: &Found, change: &Change, first: bool) {
    let names: [&'static str; 9] = if first {
        [
            " AS id, ",
            " AS was, ",
            " AS was_lease, ",
            " AS was_seq, ",
            " AS status, ",
            " AS attempt, ",
            " AS due, ",
            " AS lease, ",
            " AS seq, ",
        ]
    } else {
        [", "; 9]
    };
    let state = &change.state;
    packet.int(found.row.id).sql(names[0]);
    packet.bytes_or_null(found.raw_status()).sql(names[1]);
    packet.int_or_null(found.row.lease.map(|lease| lease.get())).sql(names[2]);
    packet.int(found.row.seq).sql(names[3]);
    packet.text(state.status.as_str()).sql(names[4]);
    packet.int(state.attempt).sql(names[5]);
    packet.int(state.due.as_micros()).sql(names[6]);
    packet.int_or_null(state.lease.map(|lease| lease.get())).sql(names[7]);
    packet.int(last_seq(found, change)).sql(names[8]);
    let reason = change.reason.as_deref().map(|reason| limits::cut(reason, limits::REASON));
    packet.text_or_null(reason.as_deref()).sql(if first { " AS reason" } else { "" });
}

/// One entry to write, in the order of the ledger's columns.
fn entry_row(packet: &mut Packet, entry: &LedgerEntry, first: bool) {
    let names: [&'static str; 12] = if first {
        [
            " AS id, ",
            " AS seq, ",
            " AS event, ",
            " AS was, ",
            " AS became, ",
            " AS attempt, ",
            " AS due, ",
            " AS lease, ",
            " AS moment, ",
            " AS source, ",
            " AS worker, ",
            " AS why, ",
        ]
    } else {
        [", "; 12]
    };
    packet.int(entry.task).sql(names[0]);
    packet.int(entry.seq).sql(names[1]);
    packet.text(entry.event.as_str()).sql(names[2]);
    packet.text_or_null(entry.from.map(|from| from.as_str())).sql(names[3]);
    packet.text(entry.to.as_str()).sql(names[4]);
    packet.int(entry.attempt).sql(names[5]);
    packet.int(entry.due.as_micros()).sql(names[6]);
    packet.int_or_null(entry.lease.map(|lease| lease.get())).sql(names[7]);
    packet.int(entry.at.as_micros()).sql(names[8]);
    packet.text(entry.origin.source.as_str()).sql(names[9]);
    packet.text(&limits::cut(&entry.origin.worker, limits::WORKER)).sql(names[10]);
    let reason = entry.reason.as_deref().map(|reason| limits::cut(reason, limits::REASON));
    packet.text_or_null(reason.as_deref()).sql(names[11]);
    let trace = entry.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE));
    packet.text_or_null(trace.as_deref()).sql(if first { " AS trace" } else { "" });
}

/// The tasks of a plan whose last entry is in the ledger, told from another writer's by token, time and worker.
async fn entered(link: &mut Link, plan: &Plan) -> Result<BTreeSet<TaskId>, Fault> {
    let mut packet = Packet::new("SELECT l.task_id FROM ");
    packet.rows(plan.changes().filter_map(|(_, change)| change.entries.last()), entry_row).sql(
        " v STRAIGHT_JOIN task_ledger l ON l.task_id = v.id AND l.seq = v.seq WHERE l.lease_token <=> v.lease \
             AND l.recorded_at = v.moment AND CAST(l.event AS BINARY) = CAST(v.event AS BINARY) \
             AND CAST(l.worker AS BINARY) = CAST(v.worker AS BINARY)",
    );
    // The transaction is committed: what stays unknown is only how much of it was written.
    let answers = link.send(packet).await.map_err(|broken| Fault::Unknown(broken.error.to_string()))?;
    ids(&answers[0].rows)
}

/// Renews leases and asks which are held, in one packet. Doing it twice does no harm.
pub(super) async fn extend(pool: &Pool<Connector>, leases: &[Lease], until: Timestamp) -> Result<Vec<TaskId>, Fault> {
    if leases.is_empty() {
        return Ok(Vec::new());
    }
    let mut sorted = leases.to_vec();
    sorted.sort_unstable_by_key(|lease| lease.task);
    let lease_row = |packet: &mut Packet, lease: &Lease, first: bool| {
        packet.int(lease.task).sql(if first { " AS id, " } else { ", " });
        packet.int(lease.token.get()).sql(if first { " AS token" } else { "" });
    };
    let mut packet = Packet::new("UPDATE ");
    packet
        .rows(&sorted, lease_row)
        .sql(" v STRAIGHT_JOIN tasks t ON t.id = v.id SET t.due_at = ")
        .int(until.as_micros())
        .sql(concat!(" WHERE t.lease_token = v.token AND ", exact_status!(), " = 'In Progress'"))
        .then("SELECT t.id, t.lease_token FROM ")
        .rows(&sorted, lease_row)
        .sql(concat!(
            " v STRAIGHT_JOIN tasks t ON t.id = v.id WHERE t.lease_token = v.token AND ",
            exact_status!(),
            " = 'In Progress'"
        ));
    let mut link = Link::take(pool).await?;
    let answers = match link.send(packet).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    link.release();
    let rows = answers.last().map_or(&[][..], |answer| &answer.rows);
    let pair = |row: &MySqlRow| Ok((row.try_get(0)?, row.try_get(1)?));
    let held: Result<BTreeSet<(i64, i64)>, sqlx::Error> = rows.iter().map(pair).collect();
    Ok(lost(leases, &held.map_err(|error| Fault::Refused(error.to_string()))?))
}

/// The ids in the first column.
fn ids(rows: &[MySqlRow]) -> Result<BTreeSet<TaskId>, Fault> {
    rows.iter()
        .map(|row| {
            let id: i64 = row.try_get(0).map_err(|error| Fault::Refused(error.to_string()))?;
            TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::MySqlStore;
    use crate::options::{ConnectOptions, PasswordSource, TlsMode};
    use crate::plan::tests::stale;
    use taskwatch_core::ledger::{Origin, Source};
    use taskwatch_core::ports::Store as _;
    use taskwatch_core::task::NewTask;
    use taskwatch_testbed::MariaDb;

    /// A database with this many tasks, due second by second.
    async fn database(tasks: usize) -> (MySqlStore, tempfile::TempDir) {
        let server = MariaDb::shared().unwrap();
        let name = server.create_database().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, server.password()).unwrap();
        let url = format!("mysql://{}@{}:{}/{name}", server.user(), server.host(), server.port());
        let options = ConnectOptions {
            password: PasswordSource::File(password),
            tls: TlsMode::Disable,
            ..ConnectOptions::new(url)
        };
        let store = MySqlStore::open(&options).await.unwrap();
        store.migrate().await.unwrap();
        let tasks: Vec<NewTask> = (0..i64::try_from(tasks).unwrap())
            .map(|n| NewTask { not_before: Some(Timestamp::from_micros(n * 1_000_000)), ..NewTask::titled("t") })
            .collect();
        store.insert(&tasks, &Origin::new(Source::Local, "t"), Timestamp::EPOCH).await.unwrap();
        (store, folder)
    }

    async fn found(link: &mut Link, select: &Select) -> Vec<Found> {
        let answers = link.send(lock(select).unwrap()).await.unwrap();
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

    async fn explain_on(link: &mut Link, sql: &str) -> String {
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
            let plan = explain(&store, lock(&select).unwrap()).await;
            assert!(plan.starts_with("t|range|tasks_due|"), "{plan}");
            assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{plan}");
        }
        let ids: Vec<TaskId> = (1..=3).map(|id| TaskId::try_from(id * 100).unwrap()).collect();
        let plan = explain(&store, lock(&Select::Ids(ids.clone())).unwrap()).await;
        assert!(plan.starts_with("t|range|PRIMARY|3|"), "{plan}");

        let mut link = Link::take(&store.pool).await.unwrap();
        let five = Select::Ids((1..=5).map(|id| TaskId::try_from(id).unwrap()).collect());
        let plan = explain(&store, changes(&stale(found(&mut link, &five).await))).await;
        let tables: Vec<&str> = plan.lines().filter(|line| line.starts_with("t|")).collect();
        assert_eq!(tables.len(), 2, "{plan}");
        assert!(tables.iter().all(|line| line.starts_with("t|eq_ref|PRIMARY|1|")), "{plan}");

        // The first entries of new rows are made by walking those rows, and not the table.
        let origin = Origin::new(Source::Local, "t");
        let tasks = vec![NewTask::titled("t"); 3];
        let batch = crate::batch::Batch::new(&tasks, &std::collections::BTreeMap::new(), &origin, Timestamp::EPOCH);
        let mut link = Link::take(&store.pool).await.unwrap();
        let packet = crate::mysql::insert::add(&batch, &origin, Timestamp::EPOCH, 1);
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
}
