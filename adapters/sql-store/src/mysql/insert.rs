//! Adding tasks: rows and first entries in one packet, the commit in another, once the ids are known to be right.

use std::collections::BTreeMap;

use deadpool::managed::Pool;
use sqlx::Row;
use sqlx::mysql::MySqlRow;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;

use super::fault::commit_fault;
use super::packet::Packet;
use super::session::{Connector, Link};
use crate::batch::{self, Batch};
use crate::error::Fault;
use crate::limits;
use crate::rows::ledger_columns;

pub(super) async fn insert(
    pool: &Pool<Connector>,
    tasks: &[NewTask],
    origin: &Origin,
    now: Timestamp,
) -> Result<Vec<Inserted>, Fault> {
    tasks.iter().try_for_each(limits::check)?;
    let mut link = Link::take(pool).await?;
    let keys = batch::keys(tasks);
    let known = if keys.is_empty() {
        BTreeMap::new()
    } else {
        // Read outside of the transaction: if a key comes in between, the insert fails and all of it is done again.
        match link.send(find(&keys)).await {
            Ok(answers) => answers[0].rows.iter().map(key).collect::<Result<_, _>>()?,
            Err(broken) => return Err(link.abandon(pool, &broken).await),
        }
    };
    let batch = Batch::new(tasks, &known, origin, now);
    if batch.fresh.is_empty() {
        link.release();
        return batch.inserted(&[]);
    }
    let answers = match link.send(add(&batch, origin, now, link.id_step())).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    // A statement that names its rows draws its ids in one go: first, first + step, ... The ledger was filled on that
    // ground; where it does not hold, the counts differ and nothing is committed.
    let first = answers.get(1).and_then(|answer| i64::try_from(answer.first_id).ok()).unwrap_or(0);
    let entered = answers.get(2).map_or(0, |answer| answer.affected);
    if usize::try_from(entered) != Ok(batch.fresh.len()) {
        return Err(Fault::Refused(format!(
            "{} tasks were inserted but {entered} found with the ids expected: the server does not number rows in order",
            batch.fresh.len()
        )));
    }
    if let Err(broken) = link.send(Packet::new("COMMIT")).await {
        let fault = commit_fault(&broken.error, true);
        return Err(link.abandon_as(pool, &broken.error, fault).await);
    }
    let step = link.id_step();
    link.release();
    let ids: Vec<TaskId> = (first..)
        .step_by(usize::try_from(step).unwrap_or(1))
        .take(batch.fresh.len())
        .map(|id| TaskId::try_from(id).map_err(|error| Fault::Unknown(error.to_string())))
        .collect::<Result<_, _>>()?;
    batch.inserted(&ids)
}

/// Asks which of the keys the table has already.
fn find(keys: &[&str]) -> Packet {
    let mut packet =
        Packet::new("SELECT CONVERT(idempotency_key USING utf8mb4), id FROM tasks WHERE idempotency_key IN (");
    packet.list(keys, |packet, key| packet.bytes(key)).sql(")");
    packet
}

fn key(row: &MySqlRow) -> Result<(String, TaskId), Fault> {
    let refused = |error: sqlx::Error| Fault::Refused(error.to_string());
    let id: i64 = row.try_get(1).map_err(refused)?;
    let id = TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))?;
    Ok((row.try_get(0).map_err(refused)?, id))
}

/// Opens a transaction, inserts the rows, and an entry for each row that the insert must have made.
pub(super) fn add(batch: &Batch<'_>, origin: &Origin, now: Timestamp, id_step: i64) -> Packet {
    let mut packet = Packet::new("START TRANSACTION");
    packet
        .then(
            "INSERT INTO tasks (title, description, status, recorded, due_at, max_attempts, on_abandon, seq, \
             created_at, idempotency_key) VALUES ",
        )
        .list(&batch.fresh, |packet, task| {
            packet.sql("(").text(&task.title).sql(", ").text_or_null(task.description.as_deref());
            packet.sql(", 'Pending', 'Pending', ").int(batch.due(task).as_micros()).sql(", ");
            packet.int_or_null(task.max_attempts).sql(", ").text(task.on_abandon.as_str()).sql(", 1, ");
            packet.int(now.as_micros()).sql(", ").bytes_or_null(task.idempotency_key.as_deref()).sql(")")
        })
        .then(concat!(
            "INSERT INTO task_ledger (",
            ledger_columns!(),
            ") SELECT id, 1, 'Added', NULL, 'Pending', 0, due_at, NULL, "
        ))
        .int(now.as_micros())
        .sql(", ")
        .text(origin.source.as_str())
        .sql(", ")
        .text(&limits::cut(&origin.worker, limits::WORKER))
        .sql(", NULL, NULL FROM tasks FORCE INDEX (PRIMARY) WHERE id >= LAST_INSERT_ID() AND id < LAST_INSERT_ID() + ")
        .int(id_step * i64::try_from(batch.fresh.len()).unwrap_or(i64::MAX))
        .sql(" AND MOD(CAST(id AS SIGNED) - CAST(LAST_INSERT_ID() AS SIGNED), ")
        .int(id_step)
        .sql(") = 0 AND seq = 1 AND recorded = 'Pending' AND created_at = ")
        .int(now.as_micros());
    packet
}
