//! Working from the journal: what is unfinished, and how it goes on.

use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::SqliteConnection;
use taskwatch_core::time::Timestamp;

use super::Journal;
use super::database::{DatabaseError, json};
use super::entry::{Entry, EntryNumber, Outcome, SELECT, State};

const DOING: &str = "note what is decided";
const BEGIN: &str = "begin";

/// A page ends after the entry with which its bodies come to more than this.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// How one entry ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub entry: EntryNumber,
    /// How.
    pub outcome: Outcome,
    /// Why, for people.
    pub why: String,
}

/// Why entries could not be moved on. Phrased to follow «failed to»; none of those named together has been.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// It is not where it would have to be.
    #[error("{doing} entry {entry}: it is {found}")]
    NotNow {
        /// What was to be done with it.
        doing: &'static str,
        /// Which.
        entry: EntryNumber,
        /// Its state.
        found: State,
    },
    /// This run has begun it already.
    #[error("begin entry {entry}: this run has begun it already")]
    Begun {
        /// Which.
        entry: EntryNumber,
    },
    /// There is none of this number.
    #[error("find entry {entry} in the journal: there is none")]
    NoSuchEntry {
        /// Which.
        entry: EntryNumber,
    },
    /// The journal.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// The first unfinished entries behind this one, at most `max`, by number: [`State::Kept`], and [`State::InWork`] and
    /// [`State::Sending`] of a run that ended too early. Those that are perhaps still on the queue are not among them.
    ///
    /// A page may be shorter than `max` where bodies are large; it is empty at the end only.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub async fn unfinished(&self, after: Option<EntryNumber>, max: usize) -> Result<Vec<Entry>, DatabaseError> {
        self.page("e.state BETWEEN 1 AND 3", after, max).await
    }

    /// The first entries behind this one, whatever their state: for people and archives.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub async fn entries(&self, after: Option<EntryNumber>, max: usize) -> Result<Vec<Entry>, DatabaseError> {
        self.page("TRUE", after, max).await
    }

    async fn page(
        &self,
        which: &'static str,
        after: Option<EntryNumber>,
        max: usize,
    ) -> Result<Vec<Entry>, DatabaseError> {
        let failed = self.database.failed("read entries");
        let mut statement = sqlx::QueryBuilder::new(SELECT);
        statement.push(" WHERE ").push(which).push(" AND e.number > ").push_bind(after.map_or(0, EntryNumber::get));
        statement.push(" ORDER BY e.number LIMIT ").push_bind(i64::try_from(max).unwrap_or(i64::MAX));
        let query = statement.build();
        let mut rows = query.fetch(&self.database.pool);
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let entry = Entry::from_row(&row).map_err(failed)?;
            bytes += entry.bytes();
            page.push(entry);
            if bytes > PAGE_BYTES {
                break;
            }
        }
        Ok(page)
    }

    /// Begins entries that are free, or that a run which ended too early had begun ([`Entry::begins`] counts): committed
    /// when this returns, so that their effects may begin.
    ///
    /// # Errors
    /// [`WorkError`]: none is begun.
    pub async fn begin(&self, entries: &[EntryNumber], now: Timestamp) -> Result<(), WorkError> {
        let numbers = distinct(entries);
        let mut transaction = self.database.begin(DOING).await?;
        let failed = self.database.failed(DOING);
        let begin = "UPDATE entries SET state = 2, begins = begins + 1, changed_at = ?2, run = ?3 \
                     WHERE (state = 1 OR state = 2 AND run <> ?3) AND number IN (SELECT value FROM json_each(?1))";
        let query = sqlx::query(begin).bind(json(&numbers)).bind(now.as_micros()).bind(self.run);
        let done = query.execute(&mut *transaction).await.map_err(failed)?;
        if done.rows_affected() != numbers.len() as u64 {
            transaction.rollback().await.map_err(failed)?;
            return Err(self.offender(BEGIN, &numbers, &[State::Kept]).await?);
        }
        Ok(transaction.commit().await.map_err(failed)?)
    }

    /// Gives back entries that were begun and had no effect: they are free again.
    ///
    /// # Errors
    /// [`WorkError`]: none is given back.
    pub async fn release(&self, entries: &[EntryNumber], why: &str, now: Timestamp) -> Result<(), WorkError> {
        let numbers = distinct(entries);
        let mut transaction = self.database.begin(DOING).await?;
        let failed = self.database.failed(DOING);
        let release = "UPDATE entries SET state = 1, changed_at = ?2, run = ?3, why = ?4 \
                       WHERE state = 2 AND number IN (SELECT value FROM json_each(?1))";
        let query = sqlx::query(release).bind(json(&numbers)).bind(now.as_micros()).bind(self.run).bind(why);
        let done = query.execute(&mut *transaction).await.map_err(failed)?;
        if done.rows_affected() != numbers.len() as u64 {
            transaction.rollback().await.map_err(failed)?;
            return Err(self.offender("give back", &numbers, &[State::InWork]).await?);
        }
        Ok(transaction.commit().await.map_err(failed)?)
    }

    /// Keeps bodies with entries, begun or free, in place of their own.
    ///
    /// # Errors
    /// [`WorkError`]: none is kept.
    pub async fn edit(&self, bodies: &[(EntryNumber, String)], now: Timestamp) -> Result<(), WorkError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let numbers = distinct(bodies.iter().map(|(number, _)| number));
        let rows: Vec<_> = bodies.iter().map(|(number, body)| json!([number.get(), body])).collect();
        let rows = serde_json::Value::from(rows).to_string();
        let mut transaction = self.database.begin(DOING).await?;
        let failed = self.database.failed(DOING);
        // Whose run has begun it stays known.
        let touch = "UPDATE entries SET changed_at = ?2, run = CASE state WHEN 2 THEN run ELSE ?3 END \
                     WHERE state IN (1, 2) AND number IN (SELECT value ->> 0 FROM json_each(?1))";
        let query = sqlx::query(touch).bind(&rows).bind(now.as_micros()).bind(self.run);
        let done = query.execute(&mut *transaction).await.map_err(failed)?;
        if done.rows_affected() != numbers.len() as u64 {
            transaction.rollback().await.map_err(failed)?;
            return Err(self.offender("edit", &numbers, &[State::Kept, State::InWork]).await?);
        }
        let edit = "UPDATE contents SET edited = v.body \
                    FROM (SELECT value ->> 0 AS number, value ->> 1 AS body FROM json_each(?1)) AS v \
                    WHERE contents.number = v.number";
        sqlx::query(edit).bind(&rows).execute(&mut *transaction).await.map_err(failed)?;
        Ok(transaction.commit().await.map_err(failed)?)
    }

    /// Ends entries, begun or free. One that has already been settled with the same outcome is left as it is, so that a
    /// settlement may be repeated.
    ///
    /// # Errors
    /// [`WorkError`]: none is settled.
    pub async fn settle(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), WorkError> {
        let numbers = distinct(settlements.iter().map(|settlement| &settlement.entry));
        let rows: Vec<_> =
            settlements.iter().map(|one| json!([one.entry.get(), one.outcome.words(), one.why])).collect();
        let mut transaction = self.database.begin(DOING).await?;
        let failed = self.database.failed(DOING);
        let settle = "UPDATE entries SET state = 10, outcome = v.outcome, \
                      why = CASE state WHEN 10 THEN entries.why ELSE v.why END, \
                      changed_at = CASE state WHEN 10 THEN changed_at ELSE ?2 END, \
                      run = CASE state WHEN 10 THEN run ELSE ?3 END \
                      FROM (SELECT value ->> 0 AS number, value ->> 1 AS outcome, value ->> 2 AS why \
                            FROM json_each(?1)) AS v \
                      WHERE entries.number = v.number \
                      AND (state IN (1, 2) OR state = 10 AND entries.outcome = v.outcome)";
        let query = sqlx::query(settle).bind(serde_json::Value::from(rows).to_string());
        let query = query.bind(now.as_micros()).bind(self.run);
        let done = query.execute(&mut *transaction).await.map_err(failed)?;
        if done.rows_affected() != numbers.len() as u64 {
            transaction.rollback().await.map_err(failed)?;
            return Err(self.offender("settle", &numbers, &[State::Kept, State::InWork]).await?);
        }
        Ok(transaction.commit().await.map_err(failed)?)
    }

    /// Which of these stood in the way.
    pub(crate) async fn offender(
        &self,
        doing: &'static str,
        numbers: &[i64],
        expected: &[State],
    ) -> Result<WorkError, DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut connection = self.database.pool.acquire().await.map_err(failed)?;
        for &number in numbers {
            let entry = EntryNumber(number);
            match state(&mut connection, number).await.map_err(failed)? {
                None => return Ok(WorkError::NoSuchEntry { entry }),
                // Another run's could have been begun.
                Some(State::InWork) if doing == BEGIN => return Ok(WorkError::Begun { entry }),
                Some(found) if !expected.contains(&found) => return Ok(WorkError::NotNow { doing, entry, found }),
                Some(_) => {}
            }
        }
        // Nobody else writes: not met.
        let entry = EntryNumber(numbers.first().copied().unwrap_or_default());
        Ok(WorkError::NotNow { doing, entry, found: State::Settled })
    }
}

async fn state(connection: &mut SqliteConnection, number: i64) -> Result<Option<State>, sqlx::Error> {
    let found = sqlx::query_scalar("SELECT state FROM entries WHERE number = ?1").bind(number);
    let code: Option<i64> = found.fetch_optional(connection).await?;
    Ok(code.and_then(State::from_code))
}

pub(crate) fn distinct<'a>(entries: impl IntoIterator<Item = &'a EntryNumber>) -> Vec<i64> {
    let mut numbers: Vec<i64> = entries.into_iter().map(|entry| entry.get()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
