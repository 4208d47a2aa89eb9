//! What is in a journal, for people: by whoever has it open, and by others beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};
use taskwatch_core::time::Timestamp;

use super::database::{DatabaseError, failed};
use super::entry::{Outcome, State};
use super::lock::{Holder, Lock};
use super::open::{OpenError, check};
use super::{Journal, Source, meta, schema};

const DOING: &str = "count entries";

/// How many runs a status names.
const RUNS: i64 = 10;

/// Entries by state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`State::Captured`].
    pub captured: u64,
    /// [`State::Kept`].
    pub kept: u64,
    /// [`State::InWork`].
    pub in_work: u64,
    /// [`State::Sending`].
    pub sending: u64,
    /// [`State::Settled`], by outcome.
    pub settled: BTreeMap<Outcome, u64>,
    /// [`State::Sent`].
    pub sent: u64,
    /// Messages that came once more and were recognised.
    pub again: u64,
}

impl Counts {
    /// All entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.unfinished() + self.settled.values().sum::<u64>() + self.sent
    }

    /// Those that somebody still has to do something about.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.captured + self.kept + self.in_work + self.sending
    }
}

/// One time that the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number, from 1.
    pub number: i64,
    /// By whom.
    pub who: String,
    /// What for.
    pub reason: Option<String>,
    /// The process.
    pub pid: i64,
    /// When.
    pub begun_at: Timestamp,
}

/// A journal, looked at from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The file.
    pub path: PathBuf,
    /// What it is of.
    pub source: Source,
    /// See [`Journal::id`].
    pub id: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Who works with it now.
    pub holder: Option<Holder>,
    /// What is in it.
    pub counts: Counts,
    /// Who has opened it, the last ten, the latest first.
    pub runs: Vec<Run>,
    /// A capture is under way, or was killed.
    pub is_capturing: bool,
}

/// Why a journal cannot be looked at. Phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// Entries by state. Reads all of them, but none of what they say: a fraction of a second for a million.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub async fn counts(&self) -> Result<Counts, DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut connection = self.database.pool.acquire().await.map_err(failed)?;
        counts(&mut connection).await.map_err(failed)
    }

    /// Looks at a journal of whatever source without taking it, while another process may be at work with it.
    ///
    /// # Errors
    /// [`StatusError`]
    pub async fn status(path: &Path) -> Result<Status, StatusError> {
        let failed = failed(path, DOING);
        let options = schema::connect_options(path).create_if_missing(false);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        let found = check(&mut connection, path).await?;
        let runs = "SELECT run, who, reason, pid, begun_at FROM runs ORDER BY run DESC LIMIT ?1";
        let runs: Vec<(i64, String, Option<String>, i64, i64)> =
            sqlx::query_as(runs).bind(RUNS).fetch_all(&mut connection).await.map_err(failed)?;
        let run =
            |(number, who, reason, pid, at)| Run { number, who, reason, pid, begun_at: Timestamp::from_micros(at) };
        let status = Status {
            path: path.to_owned(),
            source: found.source,
            id: found.id,
            created_at: found.created_at,
            holder: Lock::holder(path),
            counts: counts(&mut connection).await.map_err(failed)?,
            runs: runs.into_iter().map(run).collect(),
            is_capturing: meta::get(&mut connection, meta::HIDING).await.map_err(failed)?.is_some(),
        };
        connection.close().await.map_err(failed)?;
        Ok(status)
    }
}

async fn counts(connection: &mut SqliteConnection) -> Result<Counts, sqlx::Error> {
    let rows = "SELECT state, outcome, count(*), sum(times - 1) FROM entries GROUP BY state, outcome";
    let rows: Vec<(i64, Option<String>, i64, i64)> = sqlx::query_as(rows).fetch_all(connection).await?;
    let mut counts = Counts::default();
    for (code, outcome, count, again) in rows {
        let count = count.unsigned_abs();
        counts.again += again.unsigned_abs();
        match State::from_code(code) {
            Some(State::Captured) => counts.captured += count,
            Some(State::Kept) => counts.kept += count,
            Some(State::InWork) => counts.in_work += count,
            Some(State::Sending) => counts.sending += count,
            Some(State::Sent) => counts.sent += count,
            Some(State::Settled) => {
                let outcome = outcome.as_deref().and_then(Outcome::from_words).unwrap_or(Outcome::Dropped);
                *counts.settled.entry(outcome).or_default() += count;
            }
            None => {}
        }
    }
    Ok(counts)
}
