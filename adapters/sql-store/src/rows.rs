//! Rows of the two tables as core knows them. The only place that knows the order of the columns.

use std::str::FromStr;

use sqlx::{ColumnIndex, Decode, Row, Type};
use taskwatch_core::ledger::{LedgerEntry, Origin};
use taskwatch_core::task::{FoundStatus, LeaseToken, Status, TaskId, TaskRow};
use taskwatch_core::time::Timestamp;

use crate::error::Fault;
use crate::plan::Found;

/// The columns of `tasks`, in the order in which [`task`] reads them.
macro_rules! task_columns {
    () => {
        "id, title, description, status, recorded, attempt, due_at, lease_token, max_attempts, on_abandon, seq, \
         created_at, reason"
    };
}
/// The columns of `task_ledger`, in the order in which [`entry`] reads them.
macro_rules! ledger_columns {
    () => {
        "task_id, seq, event, from_status, to_status, attempt, due_at, lease_token, recorded_at, source, worker, \
         reason, trace_id"
    };
}
pub(crate) use {ledger_columns, task_columns};

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
    let status: Option<String> = cells.get(3)?;
    let null_status = status.is_none();
    Ok(Found {
        null_status,
        row: TaskRow {
            id,
            title: cells.get(1)?,
            description: cells.get(2)?,
            status: FoundStatus::read(status.as_deref().unwrap_or("NULL")),
            recorded: cells.parsed_option(4, id)?,
            attempt: cells.number(5, id)?,
            due: Timestamp::from_micros(cells.get(6)?),
            lease: cells.get::<Option<i64>>(7)?.map(LeaseToken::from_stored),
            max_attempts: cells.number_option(8, id)?,
            on_abandon: cells.parsed(9, id)?,
            seq: cells.number(10, id)?,
            created: Timestamp::from_micros(cells.get(11)?),
            reason: cells.get(12)?,
        },
    })
}

/// A row of `task_ledger`.
pub(crate) fn entry<'r, R>(row: &'r R) -> Result<LedgerEntry, Fault>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    let cells = Cells { row, table: "task_ledger" };
    let task = cells.id(0)?;
    Ok(LedgerEntry {
        task,
        seq: cells.number(1, task)?,
        event: cells.parsed(2, task)?,
        from: cells.parsed_option::<Status>(3, task)?,
        to: cells.parsed(4, task)?,
        attempt: cells.number(5, task)?,
        due: Timestamp::from_micros(cells.get(6)?),
        lease: cells.get::<Option<i64>>(7)?.map(LeaseToken::from_stored),
        at: Timestamp::from_micros(cells.get(8)?),
        origin: Origin::new(cells.parsed(9, task)?, cells.get::<String>(10)?),
        reason: cells.get(11)?,
        trace: cells.get(12)?,
    })
}

/// Cells of a row, with errors that say where they are.
struct Cells<'r, R> {
    row: &'r R,
    table: &'static str,
}

impl<'r, R> Cells<'r, R>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn get<T>(&self, index: usize) -> Result<T, Fault>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.row.try_get(index).map_err(|error| Fault::Refused(format!("{}: {error}", self.table)))
    }

    fn id(&self, index: usize) -> Result<TaskId, Fault> {
        TaskId::try_from(self.get::<i64>(index)?).map_err(|error| Fault::Refused(format!("{}: {error}", self.table)))
    }

    fn number(&self, index: usize, id: TaskId) -> Result<u32, Fault> {
        self.get::<i64>(index)?.try_into().map_err(|_| self.misfit(index, id, "not a number from 0 to 2^32"))
    }

    fn number_option(&self, index: usize, id: TaskId) -> Result<Option<u32>, Fault> {
        let number: Option<i64> = self.get(index)?;
        number.map(u32::try_from).transpose().map_err(|_| self.misfit(index, id, "not a number from 0 to 2^32"))
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, index: usize, id: TaskId) -> Result<T, Fault> {
        self.get::<String>(index)?.parse().map_err(|error| self.misfit(index, id, error))
    }

    fn parsed_option<T: FromStr<Err: std::fmt::Display>>(&self, index: usize, id: TaskId) -> Result<Option<T>, Fault> {
        let text: Option<String> = self.get(index)?;
        text.map(|text| text.parse()).transpose().map_err(|error| self.misfit(index, id, error))
    }

    fn misfit(&self, index: usize, id: TaskId, why: impl std::fmt::Display) -> Fault {
        use sqlx::Column as _;
        let column = self.row.columns().get(index).map_or("?", |column| column.name());
        Fault::Refused(format!("column {column} of task {id} in {}: {why}", self.table))
    }
}
