//! The transaction of the engine, in two packets: lock and read; write and commit. A batch that does not fit into one
//! packet is written by several.

use std::collections::BTreeSet;

use deadpool::managed::Pool;
use sqlx::Row;
use sqlx::mysql::MySqlRow;
use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::ports::{Change, Decide, Seen, Select};
use taskwatch_core::task::TaskId;

use super::fault::{commit_fault, number};
use super::outbox::announce_changes;
use super::packet::Packet;
use super::read::exact_status;
use super::select::{Locked, Plenty, select};
use super::session::{Answer, Broken, Connector, Link};
use crate::error::Fault;
use crate::limits;
use crate::plan::{Found, Piece, Plan, last_seq};
use crate::rows::ledger_columns;

/// The server's number for a key that is there already.
const DUPLICATE: u16 = 1062;

pub(super) async fn transact(
    pool: &Pool<Connector>,
    plenty: &Plenty,
    announces: bool,
    selected: &Select,
    decide: &Decide<'_>,
) -> Result<Vec<Seen>, Fault> {
    let Some(Locked { mut link, found, held_up }) = select(pool, selected, plenty).await? else {
        return Ok(Vec::new());
    };
    let plan = Plan::new(found, decide)?.announcing(announces);
    let mut seen = if plan.len() == 0 {
        if let Err(broken) = link.send(Packet::new("ROLLBACK")).await {
            return Err(link.abandon(pool, &broken).await);
        }
        link.release();
        plan.seen(|_| false)
    } else {
        let written = write(pool, link, &plan).await?;
        plan.seen(|id| written.as_ref().is_none_or(|ids| ids.contains(&id)))
    };
    if !held_up.is_empty() {
        seen.extend(held_up.into_iter().map(|found| Seen { row: found.row, written: false }));
        seen.sort_unstable_by_key(|seen| seen.row.id);
    }
    Ok(seen)
}

/// Writes what was decided, and commits. Answers with the tasks written, `None` for all.
pub(super) async fn write(
    pool: &Pool<Connector>,
    mut link: Link,
    plan: &Plan,
) -> Result<Option<BTreeSet<TaskId>>, Fault> {
    let mut pieces = plan.pieces(link.longest_packet());
    let Some(rest) = pieces.pop() else { return Ok(None) };
    let mut entered = 0;
    let packet = |piece: &Piece<'_>| {
        let mut packet = changes(piece);
        if plan.announces {
            announce_changes(&mut packet, piece);
        }
        packet
    };
    for piece in &pieces {
        match link.send(packet(piece)).await {
            Ok(answers) => entered += entries(&answers),
            Err(broken) if is_entered_before(&broken, 1) => {
                return Err(abandon_entered_before(pool, link, &broken, piece).await);
            }
            Err(broken) => return Err(link.abandon(pool, &broken).await),
        }
    }
    let mut packet = packet(&rest);
    let last = packet.statements();
    packet.then("COMMIT");
    match link.send(packet).await {
        Ok(answers) => entered += entries(&answers),
        Err(broken) if is_entered_before(&broken, 1) => {
            return Err(abandon_entered_before(pool, link, &broken, &rest).await);
        }
        Err(broken) => {
            let fault = commit_fault(&broken.error, broken.done == last);
            return Err(link.abandon_as(pool, &broken.error, fault).await);
        }
    }
    let wanted = plan.changes().map(|(_, change)| change.entries.len()).sum::<usize>();
    pieces.push(rest);
    let written =
        if usize::try_from(entered) == Ok(wanted) { None } else { Some(find_entered(&mut link, &pieces).await?) };
    link.release();
    Ok(written)
}

/// Whether the statement with this index, which writes entries, failed because the ledger has one of that number.
pub(super) fn is_entered_before(broken: &Broken, ledger: usize) -> bool {
    broken.done == ledger && number(&broken.error) == Some(DUPLICATE)
}

/// Names the entry that stands in the way, while the rows are still locked.
async fn abandon_entered_before(pool: &Pool<Connector>, mut link: Link, broken: &Broken, piece: &Piece<'_>) -> Fault {
    let mut packet = Packet::new("SELECT l.task_id, CAST(l.seq AS SIGNED) FROM ");
    packet
        .rows(piece.iter().flat_map(|(_, change)| &change.entries), |packet, entry, first| {
            packet.int(entry.task).sql(if first { " AS id, " } else { ", " });
            packet.int(entry.seq).sql(if first { " AS seq" } else { "" });
        })
        .sql(" v STRAIGHT_JOIN task_ledger l FORCE INDEX (PRIMARY) ON l.task_id = v.id AND l.seq = v.seq LIMIT 1");
    let standing = link.send(packet).await.ok();
    let standing = standing.and_then(|answers| {
        let row = answers.first()?.rows.first()?;
        Some((row.try_get(0).ok()?, row.try_get(1).ok()?))
    });
    let fault = link.abandon(pool, broken).await;
    standing.map_or(fault, |(task, seq)| Fault::entered_before(task, seq))
}

/// How many entries a packet of changes has made.
fn entries(answers: &[Answer]) -> u64 {
    answers.get(1).map_or(0, |entered| entered.affected)
}

/// The compare-and-set of the rows, and the entries of those rows that now are as they were to be.
///
/// Join order and index are forced: each row of `v` leads to one row of the table, by its primary key. A small table
/// would otherwise be read from end to end, and every row of it waited for.
pub(super) fn changes(piece: &Piece<'_>) -> Packet {
    let mut packet = Packet::new("UPDATE ");
    packet
        .rows(piece, |packet, (found, change), first| row(packet, found, change, first))
        .sql(concat!(
            " v STRAIGHT_JOIN tasks t FORCE INDEX (PRIMARY) ON t.id = v.id SET t.status = v.status, \
             t.recorded = v.status, t.attempt = v.attempt, t.due_at = v.due, t.lease_token = v.lease, t.seq = v.seq, \
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
            piece.iter().flat_map(|(found, change)| change.entries.iter().map(move |entry| (entry, found, change))),
            |packet, (entry, found, change), first| {
                entry_row(packet, entry, first);
                packet.sql(", ").int(last_seq(found, change)).sql(if first { " AS row_seq, " } else { ", " });
                let lease = change.state.lease.map(|lease| lease.get());
                packet.int_or_null(lease).sql(if first { " AS row_lease, " } else { ", " });
                packet.int(change.state.due.as_micros()).sql(if first { " AS row_due" } else { "" });
            },
        )
        .sql(
            " v STRAIGHT_JOIN tasks t FORCE INDEX (PRIMARY) ON t.id = v.id WHERE t.seq = v.row_seq \
             AND t.lease_token <=> v.row_lease AND t.due_at = v.row_due",
        );
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

/// The tasks whose last entry is in the ledger, told from another writer's by token, time and worker.
async fn find_entered(link: &mut Link, pieces: &[Piece<'_>]) -> Result<BTreeSet<TaskId>, Fault> {
    let mut entered = BTreeSet::new();
    for piece in pieces {
        let mut packet = Packet::new("SELECT l.task_id FROM ");
        packet.rows(piece.iter().filter_map(|(_, change)| change.entries.last()), entry_row).sql(
            " v STRAIGHT_JOIN task_ledger l FORCE INDEX (PRIMARY) ON l.task_id = v.id AND l.seq = v.seq \
             WHERE l.lease_token <=> v.lease AND l.recorded_at = v.moment AND CAST(l.event AS BINARY) = CAST(v.event AS BINARY) \
             AND CAST(l.worker AS BINARY) = CAST(v.worker AS BINARY)",
        );
        // The transaction is committed: what stays unknown is only how much of it was written.
        let answers = link.send(packet).await.map_err(|broken| Fault::Unknown(broken.error.to_string()))?;
        entered.append(&mut ids(&answers[0].rows)?);
    }
    Ok(entered)
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
