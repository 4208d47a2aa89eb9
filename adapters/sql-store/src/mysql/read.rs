//! Reads for people and for the audit.

use std::collections::BTreeMap;

use deadpool::managed::Pool;
use sqlx::Row;
use taskwatch_core::ports::{Filter, Record};
use taskwatch_core::task::{TaskId, TaskRow};

use super::packet::Packet;
use super::session::{Answer, Connector, Link};
use crate::error::Fault;
use crate::records::assemble;
use crate::rows::{self, ledger_columns, task_columns, workable};

/// Compares the status column byte by byte, in whatever character set a legacy table keeps it.
macro_rules! exact_status {
    () => {
        "CAST(CONVERT(t.status USING utf8mb4) AS BINARY)"
    };
}
pub(super) use exact_status;

/// A page of rows.
pub(super) fn page(filter: &Filter) -> Packet {
    let mut packet = Packet::new(concat!("SELECT ", task_columns!(), " FROM tasks WHERE id > 0 AND id < "));
    packet.int(filter.before.map_or(i64::MAX, TaskId::get));
    if !filter.statuses.is_empty() {
        if !filter.statuses.iter().any(|status| status.is_absorbing()) {
            // Says nothing that the exact comparison does not, but can be looked up in the index.
            packet.sql(" AND status IN (");
            packet.list(&filter.statuses, |packet, status| packet.text(status.as_str())).sql(")");
        }
        // What was finished stays finished, whatever another program has written over it.
        packet.sql(
            " AND CASE WHEN recorded IN ('Completed', 'Cancelled') THEN CAST(recorded AS BINARY) \
             ELSE CAST(CONVERT(status USING utf8mb4) AS BINARY) END IN (",
        );
        packet.list(&filter.statuses, |packet, status| packet.bytes(status.as_str())).sql(")");
    }
    if let Some(text) = &filter.title {
        packet.sql(" AND LOCATE(").bytes(text).sql(", CAST(CONVERT(title USING utf8mb4) AS BINARY)) > 0");
    }
    packet.sql(" ORDER BY id DESC LIMIT ").int(i64::try_from(filter.limit).unwrap_or(i64::MAX));
    packet
}

pub(super) async fn list(pool: &Pool<Connector>, filter: &Filter) -> Result<Vec<TaskRow>, Fault> {
    let mut link = Link::take(pool).await?;
    let answers = match link.send(page(filter)).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    link.release();
    answers[0].rows.iter().map(|row| Ok(rows::task(row)?.row)).collect()
}

/// Whether anything is left to be done.
pub(super) async fn any_open(pool: &Pool<Connector>) -> Result<bool, Fault> {
    let mut link = Link::take(pool).await?;
    let answers = match link.send(open_tasks()).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    link.release();
    Ok(answers.first().is_some_and(|answer| !answer.rows.is_empty()))
}

/// Stops at the first row that it finds by the index.
pub(super) fn open_tasks() -> Packet {
    Packet::new(concat!(
        "SELECT 1 FROM tasks t FORCE INDEX (tasks_due) WHERE status IN ('Pending', 'In Progress') AND ",
        exact_status!(),
        " IN ('Pending', 'In Progress') AND ",
        workable!(),
        " LIMIT 1"
    ))
}

/// Up to `limit` tasks with `after < id <= upto`, all as of one instant.
pub(super) async fn records(pool: &Pool<Connector>, after: i64, upto: i64, limit: usize) -> Result<Vec<Record>, Fault> {
    let mut link = Link::take(pool).await?;
    let answers = match link.send(open(after, upto, i64::try_from(limit).unwrap_or(i64::MAX))).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let last = answers.last().and_then(|answer| answer.rows.first());
    let last: Option<i64> = last
        .and_then(|row| row.try_get(0).transpose())
        .transpose()
        .map_err(|error| Fault::Refused(error.to_string()))?;
    let mut page = Packet::default();
    if let Some(last) = last {
        page.then(concat!("SELECT ", task_columns!(), " FROM tasks WHERE id > ")).int(after);
        page.sql(" AND id <= ").int(last).sql(" ORDER BY id");
        page.then(concat!("SELECT ", ledger_columns!(), " FROM task_ledger WHERE task_id > ")).int(after);
        page.sql(" AND task_id <= ").int(last).sql(" ORDER BY task_id, seq");
    }
    page.then("COMMIT");
    let answers = match link.send(page).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    link.release();
    let [found, entries, _] = &answers[..] else { return Ok(Vec::new()) };
    together(found, entries)
}

/// Those of these tasks that there are, all as of one instant.
pub(super) async fn several(pool: &Pool<Connector>, tasks: &[TaskId]) -> Result<Vec<Record>, Fault> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let mut packet = snapshot();
    packet.then(concat!("SELECT ", task_columns!(), " FROM tasks WHERE id > 0 AND id IN ("));
    packet.list(tasks, |packet, task| packet.int(task.get())).sql(")");
    packet.then(concat!("SELECT ", ledger_columns!(), " FROM task_ledger WHERE task_id IN ("));
    packet.list(tasks, |packet, task| packet.int(task.get())).sql(") ORDER BY task_id, seq");
    packet.then("COMMIT");
    let mut link = Link::take(pool).await?;
    let answers = match link.send(packet).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    link.release();
    let [.., found, entries, _] = &answers[..] else { return Ok(Vec::new()) };
    together(found, entries)
}

fn together(found: &Answer, entries: &Answer) -> Result<Vec<Record>, Fault> {
    let found: BTreeMap<TaskId, TaskRow> = found
        .rows
        .iter()
        .map(|row| rows::task(row).map(|found| (found.row.id, found.row)))
        .collect::<Result<_, _>>()?;
    Ok(assemble(found, entries.rows.iter().map(rows::entry).collect::<Result<_, _>>()?))
}

/// Takes the snapshot and finds the last task of the page: rows and ledger each run through their own index and meet in
/// the union.
fn open(after: i64, upto: i64, limit: i64) -> Packet {
    let mut packet = snapshot();
    packet.then("SELECT CAST(MAX(id) AS SIGNED) FROM (SELECT id FROM ((SELECT id FROM tasks WHERE id > ").int(after);
    packet.sql(" AND id <= ").int(upto).sql(" ORDER BY id LIMIT ").int(limit);
    packet.sql(") UNION (SELECT DISTINCT task_id AS id FROM task_ledger WHERE task_id > ").int(after);
    packet.sql(" AND task_id <= ").int(upto).sql(" ORDER BY task_id LIMIT ").int(limit);
    packet.sql(")) both_tables ORDER BY id LIMIT ").int(limit).sql(") page");
    packet
}

fn snapshot() -> Packet {
    let mut packet = Packet::new("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    packet.then("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    packet
}
