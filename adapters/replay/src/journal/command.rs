//! Which command is at work, so that the same one goes on where it was interrupted.

use sqlx::SqliteConnection;
use taskwatch_core::time::Timestamp;

use super::Journal;
use super::database::DatabaseError;
use super::entry::Outcome;

const DOING: &str = "note the command";

/// How far the same command had come before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    /// It was interrupted, and now goes on.
    pub is_resumed: bool,
    /// So many entries it had sent, or worked to their end.
    pub gone: u64,
    /// So many entries that had failed are free again.
    pub reopened: u64,
}

impl Journal {
    /// Notes what this run is to do, in words that say all of it. A run before this one that was to do the same and did not
    /// come to its end ([`Self::command_ended`]) is gone on with; with `again`, a new command begins by freeing what has
    /// failed ([`Self::reopen_failed`]).
    ///
    /// # Errors
    /// [`DatabaseError`]: nothing is noted.
    pub async fn command(&self, command: &str, again: bool, now: Timestamp) -> Result<Before, DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        // All runs since somebody did something else, or the same to its end.
        let runs = "SELECT run FROM commands WHERE run > (SELECT coalesce(max(run), 0) FROM commands \
                    WHERE command <> ?1 OR has_ended)";
        let gone = "SELECT count(*) FROM entries WHERE (state = 11 OR state = 10 AND outcome IN (?2, ?3))";
        let found = format!("SELECT (SELECT count(*) FROM ({runs})), ({gone} AND run IN ({runs}))");
        let found = sqlx::query_as(sqlx::AssertSqlSafe(found)).bind(command);
        let found = found.bind(Outcome::Completed.words()).bind(Outcome::Failed.words());
        let (runs, gone): (i64, i64) = found.fetch_one(&mut *transaction).await.map_err(failed)?;
        let is_resumed = runs > 0;
        let reopened = if again && !is_resumed {
            reopen_failed(&mut transaction, self.run, now).await.map_err(failed)?
        } else {
            0
        };
        let note = "INSERT INTO commands (run, command) VALUES (?1, ?2)";
        sqlx::query(note).bind(self.run).bind(command).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Before { is_resumed, gone: gone.unsigned_abs(), reopened })
    }

    /// Notes that this run has come to its end: the same command after it is a new one.
    ///
    /// # Errors
    /// [`DatabaseError`]
    pub async fn command_ended(&self) -> Result<(), DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        let ended = "UPDATE commands SET has_ended = 1 WHERE run = ?1";
        sqlx::query(ended).bind(self.run).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Frees all entries that were settled as [`Outcome::Failed`], for another try. Answers how many.
    ///
    /// # Errors
    /// [`DatabaseError`]: none is freed.
    pub async fn reopen_failed(&self, now: Timestamp) -> Result<u64, DatabaseError> {
        let failed = self.database.failed(DOING);
        let mut transaction = self.database.begin(DOING).await?;
        let reopened = reopen_failed(&mut transaction, self.run, now).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(reopened)
    }
}

async fn reopen_failed(connection: &mut SqliteConnection, run: i64, now: Timestamp) -> Result<u64, sqlx::Error> {
    // Counted as begun, so that what its task was put back for before is not taken for what is done now.
    let reopen = "UPDATE entries SET state = 1, begins = begins + 1, outcome = NULL, changed_at = ?2, run = ?3 \
                  WHERE state = 10 AND outcome = ?1";
    let query = sqlx::query(reopen).bind(Outcome::Failed.words()).bind(now.as_micros()).bind(run);
    Ok(query.execute(connection).await?.rows_affected())
}
