//! Rows of the tables as core knows them. The only place that knows the order of the columns.
//!
//! Whatever a hand has written into a cell, the row is read, so that it does not hold up the batch it is in. What can be
//! bounded is taken for the careful thing; where it cannot be told what state the task is in, the row is shown with an
//! unknown status, which nobody touches. Either is said in the log.

mod cells;

use sqlx::{ColumnIndex, Decode, Row, Type};
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::outbox::Announcement;
use taskwatch_core::task::{FoundStatus, LeaseToken, OnAbandon, Status, Task, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

use self::cells::{Cells, Odd, tell};
use crate::error::Fault;
use crate::plan::Found;

/// The columns of `tasks`, in the order in which [`task`] reads them. Another program's ids may be unsigned.
macro_rules! task_columns {
    () => {
        "CAST(id AS SIGNED INTEGER), title, description, status, recorded, attempt, due_at, lease_token, \
         max_attempts, on_abandon, seq, created_at, reason"
    };
}
/// The columns of `task_ledger`, in the order in which [`entry`] reads them.
macro_rules! ledger_columns {
    () => {
        "task_id, seq, event, from_status, to_status, attempt, due_at, lease_token, recorded_at, source, worker, \
         reason, trace_id"
    };
}
/// Which rows of `tasks` can be handed out: not what is finished, whatever another program has written over it, nor what
/// would be left alone. Either would stand at the head of the index for ever.
macro_rules! workable {
    () => {
        "id > 0 AND seq BETWEEN 0 AND 1000000000 AND (recorded IS NULL OR recorded IN ('Pending', 'In Progress', 'Failed'))"
    };
}
pub(crate) use {ledger_columns, task_columns, workable};

/// A row of `tasks`.
pub(crate) fn task<'r, R>(row: &'r R) -> Result<Found, Fault>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cells = Cells { row, table: "tasks" };
    let id = cells.id(0)?;
    let mut unread = None;
    let title = needed(cells.get(1), &mut unread);
    let description = needed(cells.get(2), &mut unread);
    let status: Option<String> = needed(cells.get(3), &mut unread);
    let recorded: Option<Status> = needed(cells.parsed_option(4), &mut unread);
    let due = Timestamp::from_micros(needed(cells.get(6), &mut unread));
    let lease: Option<i64> = needed(cells.get(7), &mut unread);
    let seq = needed(cells.count(10), &mut unread);
    let mut found = Found {
        null_status: status.is_none(),
        row: TaskRow {
            id,
            title,
            description,
            status: FoundStatus::read(status.as_deref().unwrap_or("NULL")),
            recorded,
            attempt: cells.bounded(5, id, 0),
            due,
            lease: lease.map(LeaseToken::from_stored),
            max_attempts: cells.bounded_option(8, id, 1),
            on_abandon: cells.parsed(9).unwrap_or_else(|odd| {
                tell(id, &odd, "the work is taken for such as must not run twice");
                OnAbandon::Fail
            }),
            seq,
            created: cells.get(11).map_or_else(
                |odd| {
                    tell(id, &odd, "the time when the task is due is taken instead");
                    due
                },
                Timestamp::from_micros,
            ),
            reason: cells.get(12).unwrap_or_else(|odd| {
                tell(id, &odd, "no reason is shown");
                None
            }),
        },
    };
    if let Some(odd) = unread {
        tell(id, &odd, "the task is left alone");
        found.row.status = FoundStatus::Unknown(format!("{} ({odd})", found.row.status));
        // What was finished stays finished; of the rest, nobody knows.
        found.row.recorded = recorded.filter(|recorded| recorded.is_absorbing());
    }
    Ok(found)
}

/// A cell without which nothing can be said about a row: keeps the first that cannot be read.
fn needed<T: Default>(cell: Result<T, Odd>, unread: &mut Option<Odd>) -> T {
    cell.unwrap_or_else(|odd| {
        unread.get_or_insert(odd);
        T::default()
    })
}

/// A row of `task_ledger`: whose it is, and the entry, `None` where it cannot be read. Its number is then missing, which
/// is what whoever goes through the books finds.
pub(crate) fn entry<'r, R>(row: &'r R) -> Result<(TaskId, Option<LedgerEntry>), Fault>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cells = Cells { row, table: "task_ledger" };
    let task = cells.id(0)?;
    let read = || {
        Ok(LedgerEntry {
            task,
            seq: cells.count(1)?,
            event: cells.parsed(2)?,
            from: cells.parsed_option(3)?,
            to: cells.parsed(4)?,
            attempt: cells.count(5)?,
            due: Timestamp::from_micros(cells.get(6)?),
            lease: cells.get::<Option<i64>>(7)?.map(LeaseToken::from_stored),
            at: Timestamp::from_micros(cells.get(8)?),
            origin: Origin::new(cells.parsed(9)?, cells.get::<String>(10)?),
            reason: cells.get(11)?,
            trace: cells.get(12)?,
        })
    };
    let entry = read().inspect_err(|odd: &Odd| tell(task, odd, "the entry is left out, and the books do not balance"));
    Ok((task, entry.ok()))
}

/// A row of `task_outbox` beside its task: number, id, title, description, trace. `None` where the task has no row.
pub(crate) fn announcement<'r, R>(row: &'r R) -> Result<Option<Announcement>, Fault>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cells = Cells { row, table: "tasks" };
    let number = cells.get(0).map_err(|odd| Fault::Refused(format!("task_outbox: {odd}")))?;
    if matches!(cells.get(1), Ok(None::<i64>)) {
        return Ok(None);
    }
    let id = cells.id(1)?;
    // It says that there is something to do; what, whoever does it reads for itself.
    let title = cells.get(2).unwrap_or_else(|odd| {
        tell(id, &odd, "the task is announced without a title");
        String::new()
    });
    let description = cells.get(3).unwrap_or_else(|odd| {
        tell(id, &odd, "the task is announced without a description");
        None
    });
    Ok(Some(Announcement { number, task: Task { id, title, description }, trace: cells.get(4).unwrap_or_default() }))
}
