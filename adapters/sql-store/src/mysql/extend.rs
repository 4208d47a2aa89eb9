//! Renews leases, without waiting for rows that somebody else has locked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::Pool;
use sqlx::Row;
use taskwatch_core::ports::Lease;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;

use super::packet::Packet;
use super::read::exact_status;
use super::session::{Answer, Connector, Link};
use crate::error::Fault;

/// How long to wait before asking again for rows that were locked. Whoever works on a row has it locked for
/// milliseconds; longer than this in all, the other leases are not to wait.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// A task and the token of its lease.
type Pair = (i64, i64);

/// Renews leases and answers with those that are lost.
///
/// A lease whose row stays locked is neither renewed nor lost: nobody can say. It is not in the answer, and its holder
/// asks again before it runs out. `held_up` remembers that somebody has been told.
pub(super) async fn extend(
    pool: &Pool<Connector>,
    held_up: &AtomicBool,
    leases: &[Lease],
    until: Timestamp,
) -> Result<Vec<TaskId>, Fault> {
    let mut waiting: BTreeSet<Pair> = leases.iter().map(pair).collect();
    let mut lost = BTreeSet::new();
    for pause in PAUSES.map(Some).into_iter().chain([None]) {
        if waiting.is_empty() {
            break;
        }
        let (renewed, held) = renew(pool, &waiting, until).await?;
        lost.extend(waiting.difference(&held).copied());
        waiting = held.difference(&renewed).copied().collect();
        match pause {
            _ if waiting.is_empty() => {}
            Some(pause) => tokio::time::sleep(pause).await,
            None => {}
        }
    }
    let is_held_up = !waiting.is_empty();
    if is_held_up != held_up.swap(is_held_up, Ordering::Relaxed) {
        if is_held_up {
            let tasks: Vec<i64> = waiting.iter().map(|&(task, _)| task).collect();
            tracing::warn!(
                ?tasks,
                "leases are not renewed: somebody keeps the rows of these tasks, or of others, locked"
            );
        } else {
            tracing::info!("recovered: nobody keeps rows locked whose leases are to be renewed");
        }
    }
    Ok(leases.iter().filter(|lease| lost.contains(&pair(lease))).map(|lease| lease.task).collect())
}

fn pair(lease: &Lease) -> Pair {
    (lease.task.get(), lease.token.get())
}

/// Renews what can be locked at once. Answers with that, and with all that are held. Doing it twice does no harm.
async fn renew(
    pool: &Pool<Connector>,
    leases: &BTreeSet<Pair>,
    until: Timestamp,
) -> Result<(BTreeSet<Pair>, BTreeSet<Pair>), Fault> {
    let mut link = Link::take(pool).await?;
    let answers = match link.send(look(leases)).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let [_, locked, all] = &answers[..] else { return Err(Fault::Refused("answers are missing".into())) };
    let renewed: BTreeSet<Pair> = pairs(locked)?.intersection(leases).copied().collect();
    let held = pairs(all)?.intersection(leases).copied().collect();
    let packet = if renewed.is_empty() { Packet::new("ROLLBACK") } else { write(&renewed, until) };
    if let Err(broken) = link.send(packet).await {
        return Err(link.abandon(pool, &broken).await);
    }
    link.release();
    Ok((renewed, held))
}

/// Locks the rows that nobody has locked, and reads all, as committed.
pub(super) fn look(leases: &BTreeSet<Pair>) -> Packet {
    let mut packet = Packet::new("START TRANSACTION");
    running(&mut packet, leases).sql(" ORDER BY id FOR UPDATE SKIP LOCKED");
    running(&mut packet, leases);
    packet
}

fn running<'p>(packet: &'p mut Packet, leases: &BTreeSet<Pair>) -> &'p mut Packet {
    packet
        .then("SELECT CAST(id AS SIGNED), lease_token FROM tasks t FORCE INDEX (PRIMARY) WHERE id IN (")
        .list(leases, |packet, &(task, _)| packet.int(task))
        .sql(concat!(
            ") AND lease_token IS NOT NULL AND recorded = 'In Progress' AND ",
            exact_status!(),
            " = 'In Progress'"
        ))
}

pub(super) fn write(leases: &BTreeSet<Pair>, until: Timestamp) -> Packet {
    let mut packet = Packet::new("UPDATE ");
    packet
        .rows(leases, |packet, &(task, token), first| {
            packet.int(task).sql(if first { " AS id, " } else { ", " });
            packet.int(token).sql(if first { " AS token" } else { "" });
        })
        .sql(" v STRAIGHT_JOIN tasks t FORCE INDEX (PRIMARY) ON t.id = v.id SET t.due_at = ")
        .int(until.as_micros())
        .sql(concat!(
            " WHERE t.lease_token = v.token AND t.recorded = 'In Progress' AND ",
            exact_status!(),
            " = 'In Progress'"
        ))
        .then("COMMIT");
    packet
}

fn pairs(answer: &Answer) -> Result<BTreeSet<Pair>, Fault> {
    let pair = |row: &sqlx::mysql::MySqlRow| Ok((row.try_get(0)?, row.try_get(1)?));
    let pairs: Result<_, sqlx::Error> = answer.rows.iter().map(pair).collect();
    pairs.map_err(|error| Fault::Refused(error.to_string()))
}
