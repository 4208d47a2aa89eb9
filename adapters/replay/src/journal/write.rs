//! Entries on their way into the journal.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use taskwatch_core::time::Timestamp;

use super::database::json;
use super::entry::{Content, State};
use super::identity::{Identity, identity};
use super::{Source, wire};
use crate::Place;

/// Entries of one statement: 12 parameters each, of which SQLite takes 32,766.
const AT_ONCE: usize = 256;

/// What is written of a message.
pub(crate) struct Row {
    identity: Identity,
    message_id: Option<String>,
    place: Option<Place>,
    body: Option<Vec<u8>>,
    system: Option<String>,
    attributes: Option<String>,
    broken: Option<String>,
}

/// What it takes to delete a message.
pub(crate) struct Receipt<'a> {
    pub(crate) handle: Option<&'a str>,
    /// Until then nobody else can have received it.
    pub(crate) good_until: Timestamp,
    /// From then on it can be received again.
    pub(crate) hidden_until: Timestamp,
}

/// What became of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) number: i64,
    /// It was not in the journal before.
    pub(crate) is_new: bool,
}

impl Row {
    pub(crate) fn new(message_id: Option<String>, content: Content, place: Option<Place>) -> Self {
        let identity = identity(message_id.as_deref(), &content, place);
        let (body, system, attributes, broken) = match content {
            Content::Message(message) => (
                message.record.body.map(String::into_bytes),
                serde_json::to_string(&message.record.attributes).ok(),
                Some(wire::attributes(&message.attributes)),
                None,
            ),
            Content::Broken { raw, why } => (Some(raw), None, None, Some(why)),
        };
        Self { identity, message_id, place, body, system, attributes, broken }
    }

    /// Roughly what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.message_id, &self.system, &self.attributes, &self.broken];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        texts + self.body.as_ref().map_or(0, Vec::len) + size_of::<Self>()
    }
}

/// Adds what is new in this state, and counts what comes again. One answer for each, in order.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    rows: &[Row],
    state: State,
    at: Timestamp,
) -> Result<Vec<Written>, sqlx::Error> {
    let mut all = Vec::with_capacity(rows.len());
    for rows in rows.chunks(AT_ONCE) {
        let written = enter(connection, rows, state, at).await?;
        fill(connection, rows, &written).await?;
        all.extend(written);
    }
    Ok(all)
}

async fn enter(
    connection: &mut SqliteConnection,
    rows: &[Row],
    state: State,
    at: Timestamp,
) -> Result<Vec<Written>, sqlx::Error> {
    let mut statement: QueryBuilder<Sqlite> =
        QueryBuilder::new("INSERT INTO entries (identity, state, captured_at, message_id, line, record) ");
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    statement.push_values(rows, |mut values, row| {
        values
            .push_bind(row.identity.as_slice())
            .push_bind(state.code())
            .push_bind(at.as_micros())
            .push_bind(row.message_id.as_deref())
            .push_bind(row.place.map(|place| number(place.line)))
            .push_bind(row.place.and_then(|place| place.record).map(number));
    });
    statement.push(" ON CONFLICT (identity) DO UPDATE SET times = times + 1 RETURNING identity, number, times");
    // The same message may be among them twice.
    let mut found: HashMap<Identity, Written> = HashMap::with_capacity(rows.len());
    for row in statement.build().fetch_all(&mut *connection).await? {
        let (identity, number, times) = returned(&row)?;
        let written = found.entry(identity).or_insert(Written { number, is_new: false });
        written.is_new |= times == 1;
    }
    let mut written = Vec::with_capacity(rows.len());
    for row in rows {
        let found = found.get_mut(&row.identity).ok_or(sqlx::Error::RowNotFound)?;
        written.push(*found);
        found.is_new = false;
    }
    Ok(written)
}

fn returned(row: &SqliteRow) -> Result<(Identity, i64, i64), sqlx::Error> {
    let identity: &[u8] = row.try_get(0)?;
    let identity = identity.try_into().map_err(|_| sqlx::Error::Decode("an identity has 16 bytes".into()))?;
    Ok((identity, row.try_get(1)?, row.try_get(2)?))
}

/// The contents of those that are new.
async fn fill(connection: &mut SqliteConnection, rows: &[Row], written: &[Written]) -> Result<(), sqlx::Error> {
    let new: Vec<_> = rows.iter().zip(written).filter(|(_, written)| written.is_new).collect();
    if new.is_empty() {
        return Ok(());
    }
    let mut statement: QueryBuilder<Sqlite> =
        QueryBuilder::new("INSERT INTO contents (number, body, system, attributes, broken) ");
    statement.push_values(new, |mut values, (row, written)| {
        values
            .push_bind(written.number)
            .push_bind(row.body.as_deref())
            .push_bind(row.system.as_deref())
            .push_bind(row.attributes.as_deref())
            .push_bind(row.broken.as_deref());
    });
    statement.build().execute(connection).await?;
    Ok(())
}

/// What a message that names an entry of this journal is: a copy of that entry (`Some`), or what became of it later.
pub(crate) async fn copy_of(
    connection: &mut SqliteConnection,
    source: &Source,
    number: i64,
) -> Result<Option<Written>, sqlx::Error> {
    let found: Option<(i64, Option<String>)> =
        sqlx::query_as("SELECT state, destination FROM entries WHERE number = ?1")
            .bind(number)
            .fetch_optional(&mut *connection)
            .await?;
    let Some((code, destination)) = found else { return Ok(None) };
    let state = match State::from_code(code) {
        Some(State::Sent) | None => return Ok(None),
        Some(State::Sending) if destination != Some(source.name()) => {
            // It is here, so it was sent there, and has failed there.
            let sent = "UPDATE entries SET state = ?2 WHERE number = ?1";
            sqlx::query(sent).bind(number).bind(State::Sent.code()).execute(connection).await?;
            return Ok(None);
        }
        // It was put back, and here it is again.
        Some(State::Sending) => State::Captured,
        Some(state) => state,
    };
    let again = "UPDATE entries SET state = ?2, times = times + 1, destination = NULL WHERE number = ?1";
    sqlx::query(again).bind(number).bind(state.code()).execute(connection).await?;
    Ok(Some(Written { number, is_new: false }))
}

/// Remembers how to delete a message, unless its entry is known to have left the queue.
pub(crate) async fn keep_receipt(
    connection: &mut SqliteConnection,
    number: i64,
    receipt: &Receipt<'_>,
) -> Result<(), sqlx::Error> {
    let keep = "INSERT INTO receipts (number, receipt, good_until, hidden_until) \
                SELECT ?1, ?2, ?3, ?4 WHERE (SELECT state FROM entries WHERE number = ?1) = 0 \
                ON CONFLICT (number) DO UPDATE SET receipt = ?2, good_until = ?3, hidden_until = ?4";
    sqlx::query(keep)
        .bind(number)
        .bind(receipt.handle)
        .bind(receipt.good_until.as_micros())
        .bind(receipt.hidden_until.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}

/// These have left the queue.
pub(crate) async fn mark_deleted(connection: &mut SqliteConnection, numbers: &[i64]) -> Result<(), sqlx::Error> {
    if numbers.is_empty() {
        return Ok(());
    }
    let numbers = json(numbers);
    let kept = "UPDATE entries SET state = 1 WHERE state = 0 AND number IN (SELECT value FROM json_each(?1))";
    sqlx::query(kept).bind(&numbers).execute(&mut *connection).await?;
    let done = "DELETE FROM receipts WHERE number IN (SELECT value FROM json_each(?1))";
    sqlx::query(done).bind(&numbers).execute(connection).await?;
    Ok(())
}
