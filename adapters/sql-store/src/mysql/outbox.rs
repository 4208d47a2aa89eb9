//! Announcements: written in the packet that writes the ledger, taken in two packets, struck off in one.

use std::collections::BTreeMap;

use deadpool::managed::Pool;
use sqlx::Row;
use sqlx::mysql::MySqlRow;
use taskwatch_core::outbox::{Announcement, is_announced};
use taskwatch_core::task::NewTask;
use taskwatch_core::time::Timestamp;

use super::fault::commit_fault;
use super::insert::trace;
use super::packet::Packet;
use super::session::{Connector, Link};
use crate::batch::Batch;
use crate::error::Fault;
use crate::limits;
use crate::outbox::Taken;
use crate::plan::{Piece, last_seq};
use crate::rows;

/// Adds a statement that announces new tasks. Their rows are the last that this transaction has inserted, numbered from
/// `LAST_INSERT_ID()` on.
pub(super) fn announce_added(packet: &mut Packet, batch: &Batch<'_>, piece: &[&NewTask], id_step: i64) {
    let ids = (0..).step_by(usize::try_from(id_step).unwrap_or(1));
    packet.then("INSERT INTO task_outbox (task_id, due_at, trace_id) VALUES ").list(
        piece.iter().zip(ids),
        |packet, (task, offset): (_, i64)| {
            packet.sql("(LAST_INSERT_ID() + ").int(offset).sql(", ").int(batch.due(task).as_micros()).sql(", ");
            packet.text_or_null(trace(task).as_deref()).sql(")")
        },
    );
}

/// Adds a statement that announces those changes which are, if there are any: where the row now is as it was to be, like
/// the ledger's entries.
pub(super) fn announce_changes(packet: &mut Packet, piece: &Piece<'_>) {
    let announced = piece.iter().flat_map(|(found, change)| {
        change.entries.iter().filter(|entry| is_announced(entry)).map(move |entry| (entry, found, change))
    });
    let mut announced = announced.peekable();
    if announced.peek().is_none() {
        return;
    }
    packet
        .then("INSERT INTO task_outbox (task_id, due_at, trace_id) SELECT v.id, v.due, v.trace FROM ")
        .rows(announced, |packet, (entry, found, change), first| {
            packet.int(entry.task).sql(if first { " AS id, " } else { ", " });
            packet.int(entry.due.as_micros()).sql(if first { " AS due, " } else { ", " });
            let trace = entry.trace.as_deref().map(|trace| limits::cut(trace, limits::TRACE));
            packet.text_or_null(trace.as_deref()).sql(if first { " AS trace, " } else { ", " });
            packet.int(last_seq(found, change)).sql(if first { " AS row_seq, " } else { ", " });
            let lease = change.state.lease.map(|lease| lease.get());
            packet.int_or_null(lease).sql(if first { " AS row_lease, " } else { ", " });
            packet.int(change.state.due.as_micros()).sql(if first { " AS row_due" } else { "" });
        })
        .sql(
            " v STRAIGHT_JOIN tasks t FORCE INDEX (PRIMARY) ON t.id = v.id WHERE t.seq = v.row_seq \
             AND t.lease_token <=> v.row_lease AND t.due_at = v.row_due",
        );
}

/// Takes some of those that are due, in one transaction.
pub(super) async fn take(
    pool: &Pool<Connector>,
    limit: usize,
    now: Timestamp,
    again: Timestamp,
) -> Result<Taken, Fault> {
    let mut link = Link::take(pool).await?;
    let answers = match link.send(lock(limit, now)).await {
        Ok(answers) => answers,
        Err(broken) => return Err(link.abandon(pool, &broken).await),
    };
    let locked = answers.last().map_or(&[][..], |answer| &answer.rows);
    let numbers: Vec<i64> = locked.iter().map(number).collect::<Result<_, _>>()?;
    if numbers.is_empty() {
        return match link.send(Packet::new("ROLLBACK")).await {
            Ok(_) => {
                link.release();
                Ok(Taken::default())
            }
            Err(broken) => Err(link.abandon(pool, &broken).await),
        };
    }
    let mut packet = read(&numbers);
    hide(&mut packet, &numbers, again);
    let last = packet.statements();
    packet.then("COMMIT");
    let answers = match link.send(packet).await {
        Ok(answers) => answers,
        Err(broken) => {
            let fault = commit_fault(&broken.error, broken.done == last);
            return Err(link.abandon_as(pool, &broken.error, fault).await);
        }
    };
    link.release();
    let mut found = BTreeMap::new();
    for row in answers.first().map_or(&[][..], |answer| &answer.rows) {
        found.insert(number(row)?, rows::announcement(row)?);
    }
    let announcements: Vec<Announcement> = numbers.iter().filter_map(|number| found.remove(number).flatten()).collect();
    let orphans: Vec<i64> =
        numbers.into_iter().filter(|number| announcements.iter().all(|one| one.number != *number)).collect();
    if !orphans.is_empty()
        && let Err(fault) = published(pool, &orphans).await
    {
        // They are hidden by now, and will be found again.
        tracing::debug!(fault = fault.message(), "announcements of tasks without a row are not deleted yet");
    }
    Ok(Taken { announcements, orphans: orphans.len() })
}

/// Opens a transaction and locks those that are due, passing over what another relay has locked.
pub(super) fn lock(limit: usize, now: Timestamp) -> Packet {
    let mut packet = Packet::new("START TRANSACTION");
    packet
        .then("SELECT number FROM task_outbox FORCE INDEX (task_outbox_due) WHERE due_at <= ")
        .int(now.as_micros())
        .sql(" ORDER BY due_at, number LIMIT ")
        .int(i64::try_from(limit).unwrap_or(i64::MAX))
        .sql(" FOR UPDATE SKIP LOCKED");
    packet
}

/// Reads what is to be announced. Without a lock on the tasks, whose workers must not wait for a relay: a statement of
/// its own sees what was committed before it, and row and announcement were committed together.
pub(super) fn read(numbers: &[i64]) -> Packet {
    let mut packet = Packet::new(
        "SELECT o.number, CAST(t.id AS SIGNED), t.title, t.description, o.trace_id FROM task_outbox o FORCE INDEX (PRIMARY) \
         LEFT JOIN tasks t ON t.id = o.task_id WHERE o.number IN (",
    );
    packet.list(numbers, |packet, &number| packet.int(number)).sql(")");
    packet
}

/// By their numbers even where the table is small: walking through it, the statement would wait for those that another
/// relay has locked.
pub(super) fn hide(packet: &mut Packet, numbers: &[i64], again: Timestamp) {
    packet
        .then("UPDATE task_outbox FORCE INDEX (PRIMARY) SET due_at = ")
        .int(again.as_micros())
        .sql(" WHERE number IN (")
        .list(numbers, |packet, &number| packet.int(number))
        .sql(")");
}

/// Strikes these off. Doing it twice does no harm.
pub(super) async fn published(pool: &Pool<Connector>, numbers: &[i64]) -> Result<(), Fault> {
    if numbers.is_empty() {
        return Ok(());
    }
    let mut link = Link::take(pool).await?;
    if let Err(broken) = link.send(strike(numbers)).await {
        return Err(link.abandon(pool, &broken).await);
    }
    link.release();
    Ok(())
}

/// By their numbers, for the same reason as [`hide`], and in order, so that two relays with numbers in common wait for each other instead of
/// deadlocking.
pub(super) fn strike(numbers: &[i64]) -> Packet {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut packet = Packet::new("DELETE o FROM ");
    packet
        .rows(sorted, |packet, number, first| {
            packet.int(number).sql(if first { " AS number" } else { "" });
        })
        .sql(" v STRAIGHT_JOIN task_outbox o ON o.number = v.number");
    packet
}

/// The number in the first column.
fn number(row: &MySqlRow) -> Result<i64, Fault> {
    row.try_get(0).map_err(|error| Fault::Refused(format!("task_outbox: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{database, explain_on};
    use super::*;
    use crate::mysql::MySqlStore;
    use taskwatch_core::ledger::{Origin, Source};
    use taskwatch_core::ports::Store as _;

    /// A database with this many announcements, due second by second.
    async fn announced(tasks: usize) -> (MySqlStore, tempfile::TempDir) {
        let (mut store, folder) = database(0).await;
        store.announces = true;
        let tasks: Vec<NewTask> = (0..i64::try_from(tasks).unwrap())
            .map(|n| NewTask { not_before: Some(Timestamp::from_micros(n * 1_000_000)), ..NewTask::titled("t") })
            .collect();
        store.insert(&tasks, &Origin::new(Source::Local, "t"), Timestamp::EPOCH).await.unwrap();
        (store, folder)
    }

    #[tokio::test]
    async fn announcements_are_found_by_their_index_and_then_by_their_number() {
        for (tasks, numbers) in [(2000, 3), (10, 9)] {
            let (store, _folder) = announced(tasks).await;
            let mut link = Link::take(&store.pool).await.unwrap();
            let lock = lock(5, Timestamp::from_micros(i64::MAX));
            let plan = explain_on(&mut link, lock.as_str().split(';').nth(1).unwrap()).await;
            assert!(plan.starts_with("task_outbox|range|task_outbox_due|"), "{plan}");
            assert!(!plan.contains("filesort") && !plan.contains("temporary"), "{plan}");

            let some: Vec<i64> = (1..=numbers).collect();
            let plan = explain_on(&mut link, read(&some).as_str()).await;
            assert!(plan.starts_with(&format!("o|range|PRIMARY|{numbers}|")), "{plan}");
            assert!(plan.contains("\nt|eq_ref|PRIMARY|1|"), "{plan}");
            let mut packet = Packet::default();
            hide(&mut packet, &some, Timestamp::EPOCH);
            let plan = explain_on(&mut link, packet.as_str()).await;
            assert!(plan.starts_with(&format!("task_outbox|range|PRIMARY|{numbers}|")), "{plan}");
            let plan = explain_on(&mut link, strike(&some).as_str()).await;
            assert!(plan.contains("\no|eq_ref|PRIMARY|1|"), "{plan}");
        }
    }

    #[tokio::test]
    async fn relays_lock_no_more_than_they_take() {
        let (store, _folder) = announced(50).await;
        let mut links = Vec::new();
        for relay in 0..5 {
            let mut link = Link::take(&store.pool).await.unwrap();
            let answers = link.send(lock(10, Timestamp::from_micros(i64::MAX))).await.unwrap();
            let mine: Vec<i64> = answers[1].rows.iter().map(|row| number(row).unwrap()).collect();
            assert_eq!(mine, (relay * 10 + 1..=relay * 10 + 10).collect::<Vec<_>>());
            links.push(link);
        }
        // Nor the gaps between: others go on announcing.
        let new = [NewTask { not_before: Some(Timestamp::from_micros(5_500_000)), ..NewTask::titled("between") }];
        store.insert(&new, &Origin::new(Source::Local, "t"), Timestamp::EPOCH).await.unwrap();
    }
}
