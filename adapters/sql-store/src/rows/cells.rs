//! Cells of a row, and what is said about those that hold something else than they should.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use sqlx::{Column as _, ColumnIndex, Decode, Row, Type, TypeInfo as _, ValueRef as _};
use taskwatch_core::task::TaskId;

use crate::error::Fault;

/// The largest count that is believed: there is room to count on in the column.
const LARGEST_COUNT: u32 = 1_000_000_000;

/// How many cells are kept in mind.
const REMEMBERED: usize = 1000;

/// A cell that holds something else than it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Odd {
    table: &'static str,
    column: String,
    why: String,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {} of {}: {}", self.column, self.table, self.why)
    }
}

/// Says what is wrong with a cell and what follows. Once: the same row is read again and again.
pub(crate) fn tell(task: TaskId, odd: &Odd, consequence: &'static str) {
    static TOLD: Mutex<BTreeSet<(TaskId, Odd)>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() >= REMEMBERED {
        told.clear();
    }
    if told.insert((task, odd.clone())) {
        tracing::warn!(%task, "{odd}; {consequence} until somebody sets it right");
    }
}

/// Cells of a row, with errors that say where they are.
pub(crate) struct Cells<'r, R> {
    pub(crate) row: &'r R,
    pub(crate) table: &'static str,
}

impl<'r, R> Cells<'r, R>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    pub(crate) fn get<T>(&self, index: usize) -> Result<T, Odd>
    where
        T: Decode<'r, R::Database> + Type<R::Database>,
    {
        self.row.try_get(index).map_err(|error| {
            let Ok(cell) = self.row.try_get_raw(index) else { return self.odd(index, error) };
            if cell.is_null() {
                return self.odd(index, "it is NULL");
            }
            let kind = cell.type_info();
            if !T::compatible(&kind) {
                return self.odd(index, format_args!("it holds a {}", kind.name()));
            }
            match error {
                // Without the column, which is said already.
                sqlx::Error::ColumnDecode { source, .. } => self.odd(index, source),
                other => self.odd(index, other),
            }
        })
    }

    pub(crate) fn id(&self, index: usize) -> Result<TaskId, Fault> {
        let id = self.get::<i64>(index).and_then(|id| TaskId::try_from(id).map_err(|error| self.odd(index, error)));
        id.map_err(|odd| Fault::Refused(odd.to_string()))
    }

    pub(crate) fn count(&self, index: usize) -> Result<u32, Odd> {
        let count: i64 = self.get(index)?;
        let believed = u32::try_from(count).ok().filter(|count| *count <= LARGEST_COUNT);
        believed.ok_or_else(|| self.odd(index, misfit(count)))
    }

    /// A count, as near as it can be to what is there; `otherwise` where there is none.
    pub(crate) fn bounded(&self, index: usize, id: TaskId, otherwise: u32) -> u32 {
        self.bound(index, id, self.get(index).map(Some), otherwise).unwrap_or(otherwise)
    }

    /// As [`Cells::bounded`], where NULL is as good as a number.
    pub(crate) fn bounded_option(&self, index: usize, id: TaskId, otherwise: u32) -> Option<u32> {
        self.bound(index, id, self.get(index), otherwise)
    }

    fn bound(&self, index: usize, id: TaskId, cell: Result<Option<i64>, Odd>, otherwise: u32) -> Option<u32> {
        let (odd, taken) = match cell {
            Ok(None) => return None,
            Ok(Some(count)) => {
                let near = u32::try_from(count.clamp(0, i64::from(LARGEST_COUNT))).unwrap_or(otherwise);
                if i64::from(near) == count {
                    return Some(near);
                }
                (self.odd(index, misfit(count)), near)
            }
            Err(odd) => (odd, otherwise),
        };
        let consequence = match taken {
            0 => "0 is taken instead",
            1 => "1 is taken instead",
            _ => "the largest count is taken instead",
        };
        tell(id, &odd, consequence);
        Some(taken)
    }

    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(&self, index: usize) -> Result<T, Odd> {
        self.get::<String>(index)?.parse().map_err(|error| self.odd(index, error))
    }

    pub(crate) fn parsed_option<T: FromStr<Err: fmt::Display>>(&self, index: usize) -> Result<Option<T>, Odd> {
        let text: Option<String> = self.get(index)?;
        text.map(|text| text.parse()).transpose().map_err(|error| self.odd(index, error))
    }

    fn odd(&self, index: usize, why: impl fmt::Display) -> Odd {
        let column = self.row.columns().get(index).map_or("?", |column| column.name()).to_owned();
        Odd { table: self.table, column, why: why.to_string() }
    }
}

fn misfit(count: i64) -> String {
    format!("{count} is not a number from 0 to {LARGEST_COUNT}")
}
