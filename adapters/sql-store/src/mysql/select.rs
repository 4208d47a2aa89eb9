//! Finds and locks the rows of a transaction.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool::managed::Pool;
use sqlx::Row;
use taskwatch_core::ports::{DueBefore, Select};
use taskwatch_core::task::TaskId;

use super::fault::number;
use super::packet::Packet;
use super::read::exact_status;
use super::session::{Answer, Connector, Link};
use crate::error::Fault;
use crate::plan::Found;
use crate::rows::{self, task_columns, workable};

/// The server's number for a lock that was waited for in vain.
const LOCK_WAIT: u16 = 1205;

/// Rows in an open transaction.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) link: Link,
    /// Locked by this transaction.
    pub(super) found: Vec<Found>,
    /// Locked by somebody else, for longer than one waits.
    pub(super) held_up: Vec<Found>,
}

/// Whether the last select by time brought as much as it asked for, so that the next most likely finds something too.
#[derive(Debug, Default)]
pub(super) struct Plenty {
    due: AtomicBool,
    lease_over: AtomicBool,
}

/// Opens a transaction with the selected rows; `None` where there are none, and nothing is open.
pub(super) async fn select(pool: &Pool<Connector>, select: &Select, plenty: &Plenty) -> Result<Option<Locked>, Fault> {
    match select {
        Select::Ids(ids) if ids.is_empty() => Ok(None),
        Select::Ids(ids) => by_id(pool, ids).await.map(Some),
        Select::Due(due) => by_time(pool, "'Pending'", due, &plenty.due).await,
        Select::LeaseOver(due) => by_time(pool, "'In Progress'", due, &plenty.lease_over).await,
    }
}

/// One row that stays locked must not hold up the others: when it was waited for in vain, those that are free go ahead.
async fn by_id(pool: &Pool<Connector>, ids: &[TaskId]) -> Result<Locked, Fault> {
    let mut link = Link::take(pool).await?;
    let broken = match link.send(lock_ids(ids)).await {
        Ok(answers) => return Ok(Locked { link, found: last(&answers)?, held_up: Vec::new() }),
        Err(broken) => broken,
    };
    if number(&broken.error) != Some(LOCK_WAIT) {
        return Err(link.abandon(pool, &broken).await);
    }
    let answers = match link.send(lock_free_ids(ids)).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let [_, _, free, all] = &answers[..] else { return Err(Fault::Refused("answers are missing".into())) };
    let found = read(free)?;
    let mine: BTreeSet<TaskId> = found.iter().map(|found| found.row.id).collect();
    let held_up = read(all)?.into_iter().filter(|found| !mine.contains(&found.row.id)).collect();
    Ok(Locked { link, found, held_up })
}

/// Asks first, without locking, whether there is anything: a locking read that comes to the end of its range locks the
/// row behind it as well. For the same reason it does not look for more than there is.
async fn by_time(
    pool: &Pool<Connector>,
    status: &'static str,
    due: &DueBefore,
    plenty: &AtomicBool,
) -> Result<Option<Locked>, Fault> {
    let mut link = Link::take(pool).await?;
    let mut limit = due.limit;
    if !plenty.load(Ordering::Relaxed) {
        let answers = match link.send(count_due(status, due)).await {
            Ok(answers) => answers,
            Err(broken) => return Err(link.abandon(pool, &broken).await),
        };
        let waiting = answers.first().and_then(|answer| answer.rows.first()).map_or(Ok(0), |row| row.try_get(0));
        let waiting: i64 = waiting.map_err(|error| Fault::Refused(error.to_string()))?;
        limit = usize::try_from(waiting).unwrap_or(0);
        if limit == 0 {
            link.release();
            return Ok(None);
        }
    }
    let answers = match link.send(lock_due(status, &DueBefore { limit, ..*due })).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let found = last(&answers)?;
    plenty.store(found.len() == due.limit, Ordering::Relaxed);
    Ok(Some(Locked { link, found, held_up: Vec::new() }))
}

/// Locks these, waiting for whoever has them. In order, so that two transactions with ids in common wait for each other
/// instead of deadlocking.
pub(super) fn lock_ids(ids: &[TaskId]) -> Packet {
    let mut packet = Packet::new("START TRANSACTION");
    rows_by_id(&mut packet, ids).sql(" FOR UPDATE");
    packet
}

/// Begins anew, locks those of these that nobody has locked, and reads all of them.
fn lock_free_ids(ids: &[TaskId]) -> Packet {
    let mut packet = Packet::new("ROLLBACK");
    packet.then("START TRANSACTION");
    rows_by_id(&mut packet, ids).sql(" FOR UPDATE SKIP LOCKED");
    rows_by_id(&mut packet, ids);
    packet
}

fn rows_by_id<'p>(packet: &'p mut Packet, ids: &[TaskId]) -> &'p mut Packet {
    let ids: BTreeSet<i64> = ids.iter().map(|id| id.get()).collect();
    packet
        .then(concat!("SELECT ", task_columns!(), " FROM tasks t FORCE INDEX (PRIMARY) WHERE id IN ("))
        .list(ids, |packet, id| packet.int(id))
        .sql(") ORDER BY id")
}

/// Counts what [`lock_due`] would find, as far as its limit.
pub(super) fn count_due(status: &'static str, due: &DueBefore) -> Packet {
    let mut packet = Packet::new("SELECT COUNT(*) FROM (SELECT id");
    from_index(&mut packet, status, due).sql(") due");
    packet
}

/// Locks what is due, passing over what is locked.
pub(super) fn lock_due(status: &'static str, due: &DueBefore) -> Packet {
    let mut packet = Packet::new("START TRANSACTION");
    packet.then(concat!("SELECT ", task_columns!()));
    from_index(&mut packet, status, due).sql(" FOR UPDATE SKIP LOCKED");
    packet
}

/// Walks the index from the earliest row on.
fn from_index<'p>(packet: &'p mut Packet, status: &'static str, due: &DueBefore) -> &'p mut Packet {
    packet
        .sql(" FROM tasks t FORCE INDEX (tasks_due) WHERE status = ")
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
        .sql(concat!(" END AND ", workable!(), " ORDER BY due_at, id LIMIT "))
        .int(i64::try_from(due.limit).unwrap_or(i64::MAX))
}

fn last(answers: &[Answer]) -> Result<Vec<Found>, Fault> {
    answers.last().map_or_else(|| Ok(Vec::new()), read)
}

fn read(answer: &Answer) -> Result<Vec<Found>, Fault> {
    answer.rows.iter().map(rows::task).collect()
}
