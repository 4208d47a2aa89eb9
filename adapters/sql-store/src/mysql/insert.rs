//! Adding tasks: rows and first entries in one packet (or several, for a big batch), the commit in another, once the ids
//! are known to be right.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool::managed::Pool;
use sqlx::Row;
use sqlx::mysql::MySqlRow;
use taskwatch_core::ledger::Origin;
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::{NewTask, TaskId};
use taskwatch_core::time::Timestamp;

use super::fault::commit_fault;
use super::outbox::announce_added;
use super::packet::Packet;
use super::session::{Broken, Connector, Link};
use super::transact::is_entered_before;
use crate::batch::{self, Batch};
use crate::error::Fault;
use crate::limits;
use crate::rows::ledger_columns;

pub(super) async fn insert(
    pool: &Pool<Connector>,
    announces: bool,
    tasks: &[NewTask],
    origin: &Origin,
    now: Timestamp,
) -> Result<Vec<Inserted>, Fault> {
    tasks.iter().try_for_each(limits::check_task)?;
    let mut link = Link::take(pool).await?;
    let longest = link.longest_packet();
    let mut known = BTreeMap::new();
    // Read outside of the transaction: if a key comes in between, the insert fails and all of it is done again.
    for keys in limits::pieces(batch::keys(tasks), longest, |key| 2 * key.len() + 8) {
        match link.send(find(&keys)).await {
            Ok(answers) => {
                for row in &answers[0].rows {
                    known.extend([key(row)?]);
                }
            }
            Err(broken) => return Err(link.abandon(pool, &broken).await),
        }
    }
    let batch = Batch::new(tasks, &known, origin, now);
    let mut ids: Vec<TaskId> = Vec::with_capacity(batch.fresh.len());
    let step = link.id_step();
    let pieces = limits::pieces(batch.fresh.iter().copied(), longest, weight);
    for piece in &pieces {
        let begins = ids.is_empty();
        let mut packet = add(&batch, piece, begins, origin, now, step);
        if announces {
            announce_added(&mut packet, &batch, piece, step);
        }
        let answers = match link.send(packet).await {
            Ok(answers) => answers,
            Err(broken) if is_entered_before(&broken, usize::from(begins) + 1) => {
                return Err(abandon_used_ids(pool, link, &broken).await);
            }
            Err(broken) => return Err(link.abandon(pool, &broken).await),
        };
        // A statement that names its rows draws its ids in one go: first, first + step, ... The ledger was filled on
        // that ground; where it does not hold, the counts differ and nothing is committed.
        let made = &answers[usize::from(begins)..];
        let entered = made.get(1).map_or(0, |answer| answer.affected);
        if usize::try_from(entered) != Ok(piece.len()) {
            return Err(Fault::Refused(format!(
                "{} tasks were inserted but {entered} found with the ids expected: the server does not number rows in order",
                piece.len()
            )));
        }
        let first = made.first().and_then(|answer| i64::try_from(answer.first_id).ok()).unwrap_or(0);
        for id in (first..).step_by(usize::try_from(step).unwrap_or(1)).take(piece.len()) {
            ids.push(TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))?);
        }
    }
    if !pieces.is_empty()
        && let Err(broken) = link.send(Packet::new("COMMIT")).await
    {
        let fault = commit_fault(&broken.error, true);
        return Err(link.abandon_as(pool, &broken.error, fault).await);
    }
    link.release();
    batch.inserted(&ids)
}

/// Says which ids are free, where the table gives out those that the ledger has seen.
async fn abandon_used_ids(pool: &Pool<Connector>, mut link: Link, broken: &Broken) -> Fault {
    let largest = link.send(Packet::new("SELECT MAX(task_id) FROM task_ledger")).await.ok();
    let largest = largest.and_then(|answers| answers.first()?.rows.first()?.try_get::<i64, _>(0).ok());
    let fault = link.abandon(pool, broken).await;
    match largest {
        Some(largest) => {
            Fault::ids_used_before(&format!("ALTER TABLE tasks AUTO_INCREMENT = {}", largest.saturating_add(1)))
        }
        None => fault,
    }
}

/// How long the SQL text of a task is at most: its texts in hexadecimal, and the numbers.
fn weight(task: &&NewTask) -> usize {
    // The trace stands in the ledger and in the outbox.
    let trace = task.trace.as_ref();
    let texts = [Some(&task.title), task.description.as_ref(), task.idempotency_key.as_ref(), trace, trace];
    300 + texts.into_iter().flatten().map(|text| 2 * text.len()).sum::<usize>()
}

/// Asks which of the keys the table has already.
fn find(keys: &[&str]) -> Packet {
    let mut packet = Packet::new(
        "SELECT CONVERT(idempotency_key USING utf8mb4), CAST(id AS SIGNED) FROM tasks WHERE idempotency_key IN (",
    );
    packet.list(keys, |packet, key| packet.bytes(key)).sql(")");
    packet
}

/// The trace id of the row at hand, among those that the statement before has inserted.
fn trace_by_id<'a>(packet: &'a mut Packet, piece: &[&NewTask], id_step: i64) -> &'a mut Packet {
    if piece.iter().all(|task| task.trace.is_none()) {
        return packet.sql("NULL");
    }
    packet.sql("ELT((CAST(id AS SIGNED) - CAST(LAST_INSERT_ID() AS SIGNED)) DIV ").int(id_step).sql(" + 1, ");
    packet.list(piece, |packet, task| packet.text_or_null(trace(task).as_deref())).sql(")")
}

/// As the columns hold it.
pub(super) fn trace(task: &NewTask) -> Option<Cow<'_, str>> {
    task.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE))
}

fn key(row: &MySqlRow) -> Result<(String, TaskId), Fault> {
    let refused = |error: sqlx::Error| Fault::Refused(error.to_string());
    let id: i64 = row.try_get(1).map_err(refused)?;
    let id = TaskId::try_from(id).map_err(|error| Fault::Refused(error.to_string()))?;
    Ok((row.try_get(0).map_err(refused)?, id))
}

/// Inserts the rows, and an entry for each row that the insert must have made; the first piece opens the transaction.
pub(super) fn add(
    batch: &Batch<'_>,
    piece: &[&NewTask],
    begins: bool,
    origin: &Origin,
    now: Timestamp,
    id_step: i64,
) -> Packet {
    let mut packet = if begins { Packet::new("START TRANSACTION") } else { Packet::default() };
    packet
        .then(
            "INSERT INTO tasks (title, description, status, recorded, due_at, max_attempts, on_abandon, seq, \
             created_at, idempotency_key) VALUES ",
        )
        .list(piece, |packet, task| {
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
        .sql(", NULL, ");
    trace_by_id(&mut packet, piece, id_step)
        .sql(" FROM tasks FORCE INDEX (PRIMARY) WHERE id >= LAST_INSERT_ID() AND id < LAST_INSERT_ID() + ")
        .int(id_step * i64::try_from(piece.len()).unwrap_or(i64::MAX))
        .sql(" AND MOD(CAST(id AS SIGNED) - CAST(LAST_INSERT_ID() AS SIGNED), ")
        .int(id_step)
        .sql(") = 0 AND seq = 1 AND recorded = 'Pending' AND created_at = ")
        .int(now.as_micros());
    packet
}
