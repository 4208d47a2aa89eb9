//! Capturing a queue: what it is told, what it answers, how it begins and how it ends.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{CallError, PolledQueue};

use super::database::DatabaseError;
use super::drain::{Drain, micros};
use super::{Journal, Source, meta, write};

const DOING: &str = "capture messages";

/// How many receipts of an earlier run are taken up at once.
const RECEIPTS: i64 = 500;

/// Some seconds by which a call may outlast its time.
const SLACK: Duration = Duration::from_secs(5);

/// How a queue is captured.
#[derive(Debug, Clone)]
pub struct Capture {
    /// How many receive at once: 1 to 16.
    pub receivers: usize,
    /// At most so many that are not in the journal yet; all, if not given.
    pub limit: Option<u64>,
    /// How long a poll waits on an empty queue: whole seconds, at most 20. With less than one, SQS asks only some of its
    /// servers.
    pub wait: Duration,
    /// How long what is received stays hidden: more than it takes to commit and to delete ten messages. After a crash, the
    /// queue counts as drained only when this time has passed.
    pub hidden_for: Duration,
    /// The queue is drained after so many empty polls one after the other, of all receivers together.
    pub empty_polls: u32,
    /// How long deleting a batch may take.
    pub within: Duration,
}

impl Default for Capture {
    /// 4 receivers, no limit, 2 s, 60 s, 4 polls, 10 s.
    fn default() -> Self {
        Self {
            receivers: 4,
            limit: None,
            wait: Duration::from_secs(2),
            hidden_for: Duration::from_secs(60),
            empty_polls: 4,
            within: Duration::from_secs(10),
        }
    }
}

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch came.
    Received,
    /// It is in the journal.
    Committed,
    /// It has left the queue, except for what could not be deleted.
    Deleted,
    /// The journal knows that it has.
    Marked,
    /// A poll brought nothing.
    Empty,
    /// A poll failed, and is repeated after a while.
    Failed,
}

/// How far a capture is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What has just been done.
    pub step: Step,
    /// New entries of this run.
    pub new: u64,
    /// Messages that were recognised.
    pub again: u64,
}

/// What a capture has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured {
    /// New entries.
    pub new: u64,
    /// Messages that were in the journal already.
    pub again: u64,
    /// Entries that are perhaps still on the queue: nobody works them before another capture has settled that.
    pub undeleted: u64,
    /// Why it ended.
    pub end: End,
}

/// Why a capture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing more came. What others have received and hide is not counted.
    Drained,
    /// [`Capture::limit`].
    Limit,
    /// It was told to stop.
    Stopped,
}

/// Why a capture ended early. Phrased to follow «failed to»; what was captured stays, and the same again goes on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The journal is that of a file.
    #[error("capture a queue into the journal {path}: it is that of a {found}")]
    NotAQueue {
        /// The journal.
        path: PathBuf,
        /// What it belongs to.
        found: Source,
    },
    /// No messages can be had.
    #[error("receive dead letters: {0}")]
    Receive(CallError),
    /// Messages are in the journal, and stay on the queue as well.
    #[error("delete dead letters that are in the journal: {0}")]
    Delete(CallError),
    /// The journal.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Journal {
    /// Captures the queue that this journal is of: receives, commits, deletes, until no more comes.
    ///
    /// Dropping the future, or killing the process, loses nothing; the same again goes on.
    ///
    /// # Errors
    /// [`CaptureError`]
    pub async fn capture(
        &self,
        how: &Capture,
        queue: &dyn PolledQueue,
        clock: &dyn Clock,
        stop: &Stop,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Captured, CaptureError> {
        let Source::Queue(arn) = &self.source else {
            return Err(CaptureError::NotAQueue { path: self.path().to_owned(), found: self.source.clone() });
        };
        let not_before = self.take_up(how, arn, queue, clock).await?;
        let drain = Drain::new(self, how, arn, queue, clock, stop, progress, not_before);
        let ends = join_all((0..how.receivers.clamp(1, 16)).map(|_| drain.receive())).await;
        // What was received and could not be kept is hidden, and unknown.
        let all_kept = ends.iter().all(|end| matches!(end, Ok(()) | Err(CaptureError::Receive(_))));
        let failed = ends.into_iter().find_map(Result::err);
        let done = drain.done();
        let mut transaction = self.database.begin(DOING).await?;
        let database = self.database.failed(DOING);
        if failed.is_none() && done.end == End::Drained {
            // Visible since before the first empty poll, and not received: they are gone.
            let gone = "SELECT number FROM receipts WHERE hidden_until < ?1";
            let gone: Vec<i64> = sqlx::query_scalar(gone)
                .bind(done.empty_since.as_micros())
                .fetch_all(&mut *transaction)
                .await
                .map_err(database)?;
            write::mark_deleted(&mut transaction, &gone).await.map_err(database)?;
        }
        if failed.is_none() && done.end == End::Drained || all_kept && done.nothing_unknown {
            meta::remove(&mut transaction, meta::HIDING).await.map_err(database)?;
        }
        let undeleted: i64 =
            sqlx::query_scalar("SELECT count(*) FROM receipts").fetch_one(&mut *transaction).await.map_err(database)?;
        transaction.commit().await.map_err(database)?;
        match failed {
            Some(error) => Err(error),
            None => {
                Ok(Captured { new: done.new, again: done.again, undeleted: undeleted.unsigned_abs(), end: done.end })
            }
        }
    }

    /// Deletes what an earlier run has committed, as far as its receipts are good, and says from when on an empty poll
    /// means something.
    async fn take_up(
        &self,
        how: &Capture,
        arn: &str,
        queue: &dyn PolledQueue,
        clock: &dyn Clock,
    ) -> Result<Timestamp, CaptureError> {
        let failed = self.database.failed(DOING);
        let now = clock.now();
        let mut transaction = self.database.begin(DOING).await?;
        let hidden = meta::number(&mut transaction, meta::HIDING).await.map_err(failed)?;
        let hiding = micros(how.hidden_for + how.wait + SLACK).max(hidden.unwrap_or(0));
        meta::set(&mut transaction, meta::HIDING, hiding).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        let earlier = hidden.and_then(|hidden| u64::try_from(hidden).ok()).map(Duration::from_micros);
        let mut after = 0;
        loop {
            let some = "SELECT number, receipt, good_until FROM receipts WHERE number > ?1 ORDER BY number LIMIT ?2";
            let some: Vec<(i64, Option<String>, i64)> =
                sqlx::query_as(some).bind(after).bind(RECEIPTS).fetch_all(&self.database.pool).await.map_err(failed)?;
            let Some((last, ..)) = some.last() else { break };
            after = *last;
            // A receipt that is not surely good would delete nothing and be told that it did.
            let safe = (clock.now() + how.within).as_micros();
            let good: Vec<(i64, &str)> = some
                .iter()
                .filter(|(.., good_until)| *good_until > safe)
                .filter_map(|(number, receipt, _)| Some((*number, receipt.as_deref()?)))
                .collect();
            let handles: Vec<&str> = good.iter().map(|(_, handle)| *handle).collect();
            let outcomes = queue.delete(arn, &handles, how.within).await;
            let deleted = good.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
            let deleted: Vec<i64> = deleted.map(|((number, _), _)| *number).collect();
            let mut transaction = self.database.begin(DOING).await?;
            write::mark_deleted(&mut transaction, &deleted).await.map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
        }
        let left: Option<i64> = sqlx::query_scalar("SELECT max(hidden_until) FROM receipts")
            .fetch_one(&self.database.pool)
            .await
            .map_err(failed)?;
        let visible = left.map_or(now, Timestamp::from_micros);
        Ok(visible.max(earlier.map_or(now, |earlier| now + earlier)))
    }
}
