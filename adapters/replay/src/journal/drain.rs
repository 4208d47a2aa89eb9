//! The receivers of a capture, and what they know together.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{CallError, MAX_POLLED, Poll, PolledQueue, Received};

use super::capture::{Capture, CaptureError, End, Progress, Step};
use super::database::DatabaseError;
use super::entry::{Content, State};
use super::write::{self, Receipt, Row};
use super::{Journal, identity};

const DOING: &str = "keep messages";

/// How often a poll is repeated that failed through no fault of ours, and how long before the first time.
const REPEATS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Drain<'a> {
    journal: &'a Journal,
    how: &'a Capture,
    arn: &'a str,
    queue: &'a dyn PolledQueue,
    clock: &'a dyn Clock,
    stop: &'a Stop,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    shared: Mutex<Shared>,
}

struct Shared {
    new: u64,
    again: u64,
    /// How many new ones the polls that are under way may bring.
    reserved: u64,
    /// Empty polls one after the other, all begun after `not_before`.
    empties: u32,
    /// When the first of them began.
    empty_since: Timestamp,
    /// Before this, messages may be hidden that will come again.
    not_before: Timestamp,
    failed: bool,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) new: u64,
    pub(crate) again: u64,
    pub(crate) end: End,
    pub(crate) empty_since: Timestamp,
    /// Nothing is hidden any more of which nobody knows: by a run that was killed, or a poll that failed.
    pub(crate) nothing_unknown: bool,
}

impl<'a> Drain<'a> {
    #[expect(clippy::too_many_arguments, reason = "what a capture is told, in one place")]
    pub(crate) const fn new(
        journal: &'a Journal,
        how: &'a Capture,
        arn: &'a str,
        queue: &'a dyn PolledQueue,
        clock: &'a dyn Clock,
        stop: &'a Stop,
        progress: &'a (dyn Fn(Progress) + Send + Sync),
        not_before: Timestamp,
    ) -> Self {
        let shared =
            Shared { new: 0, again: 0, reserved: 0, empties: 0, empty_since: not_before, not_before, failed: false };
        Self { journal, how, arn, queue, clock, stop, progress, shared: Mutex::new(shared) }
    }

    /// One receiver: until the queue is drained, the limit is reached, or somebody says stop.
    pub(crate) async fn receive(&self) -> Result<(), CaptureError> {
        let mut deleted = Vec::new();
        let received = self.receive_all(&mut deleted).await;
        if received.is_err() {
            self.shared().failed = true;
        }
        self.mark(&mut deleted).await?;
        received
    }

    async fn receive_all(&self, deleted: &mut Vec<i64>) -> Result<(), CaptureError> {
        let mut failures = 0;
        while let Some(max) = self.reserve() {
            let polled_at = self.clock.now();
            let poll = Poll { max, wait: self.how.wait, hidden_for: self.hidden_for() };
            match self.queue.receive(self.arn, poll).await {
                Ok(batch) if batch.is_empty() => {
                    failures = 0;
                    self.mark(deleted).await?;
                    self.came(max, 0, 0, false, polled_at);
                    self.tell(Step::Empty);
                }
                Ok(batch) => {
                    failures = 0;
                    self.take(batch, max, polled_at, deleted).await?;
                }
                Err(error) => {
                    let is_in_doubt = matches!(error, CallError::Unavailable { .. });
                    self.missed(max, is_in_doubt);
                    failures += 1;
                    if !is_in_doubt || failures > REPEATS {
                        return Err(CaptureError::Receive(error));
                    }
                    self.tell(Step::Failed);
                    self.clock.sleep(PAUSE.saturating_mul(1 << (failures - 1))).await;
                }
            }
        }
        Ok(())
    }

    /// Commits a batch, then deletes it. That it has been deleted is written with what comes next.
    async fn take(
        &self,
        batch: Vec<Received>,
        max: usize,
        polled_at: Timestamp,
        deleted: &mut Vec<i64>,
    ) -> Result<(), CaptureError> {
        self.tell(Step::Received);
        let hidden_for = self.hidden_for();
        let (good_until, hidden_until) = (polled_at + hidden_for, self.clock.now() + hidden_for);
        let mut handles = Vec::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for mut message in batch {
            handles.push(message.record.receipt_handle.take());
            let own = identity::own(&self.journal.id, &message);
            rows.push((own, Row::new(message.record.message_id.clone(), Content::Message(message), None)));
        }
        let receipt = |handle| Receipt { handle, good_until, hidden_until };
        let receipts: Vec<_> = handles.iter().map(|handle| receipt(handle.as_deref())).collect();
        let marked = !deleted.is_empty();
        let written = self.commit(rows, &receipts, deleted).await?;
        deleted.clear();
        if marked {
            self.tell(Step::Marked);
        }
        let new = written.iter().filter(|written| written.is_new).count();
        self.tell(Step::Committed);

        let known: Vec<_> =
            written.iter().zip(&handles).filter_map(|(written, handle)| Some((written, handle.as_deref()?))).collect();
        let handles: Vec<&str> = known.iter().map(|(_, handle)| *handle).collect();
        let outcomes = self.queue.delete(self.arn, &handles, self.how.within).await;
        let mut hopeless = None;
        for ((written, _), outcome) in known.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => deleted.push(written.number),
                // It comes again.
                Err(CallError::Refused { .. } | CallError::Unavailable { .. }) => {}
                Err(error) => hopeless = Some(error),
            }
        }
        let news = new > 0 || !deleted.is_empty();
        if news && deleted.len() < written.len() {
            self.shared().wait_until(hidden_until);
        }
        self.came(max, new, written.len() - new, news, polled_at);
        self.tell(Step::Deleted);
        hopeless.map_or(Ok(()), |error| Err(CaptureError::Delete(error)))
    }

    async fn commit(
        &self,
        rows: Vec<(Option<i64>, Row)>,
        receipts: &[Receipt<'_>],
        deleted: &[i64],
    ) -> Result<Vec<write::Written>, DatabaseError> {
        let failed = self.journal.database.failed(DOING);
        let mut transaction = self.journal.database.begin(DOING).await?;
        write::mark_deleted(&mut transaction, deleted).await.map_err(failed)?;
        let at = self.clock.now();
        let (mut places, mut others) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (own, row) in rows {
            let copy = match own {
                Some(number) => write::copy_of(&mut transaction, &self.journal.source, number).await.map_err(failed)?,
                None => None,
            };
            if copy.is_none() {
                others.push(row);
            }
            places.push(copy);
        }
        let mut inserted =
            write::insert(&mut transaction, &others, State::Captured, at).await.map_err(failed)?.into_iter();
        let mut written = Vec::with_capacity(places.len());
        for (copy, receipt) in places.into_iter().zip(receipts) {
            let Some(one) = copy.or_else(|| inserted.next()) else { continue };
            write::keep_receipt(&mut transaction, one.number, receipt).await.map_err(failed)?;
            written.push(one);
        }
        transaction.commit().await.map_err(failed)?;
        Ok(written)
    }

    async fn mark(&self, deleted: &mut Vec<i64>) -> Result<(), DatabaseError> {
        if deleted.is_empty() {
            return Ok(());
        }
        let failed = self.journal.database.failed(DOING);
        let mut transaction = self.journal.database.begin(DOING).await?;
        write::mark_deleted(&mut transaction, deleted).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        deleted.clear();
        self.tell(Step::Marked);
        Ok(())
    }

    /// How many messages to ask for; `None` at the end.
    fn reserve(&self) -> Option<usize> {
        let mut shared = self.shared();
        if shared.failed || self.stop.is_set() || shared.empties >= self.how.empty_polls.max(1) {
            return None;
        }
        let left = self.how.limit.map_or(u64::MAX, |limit| limit.saturating_sub(shared.new + shared.reserved));
        let max = usize::try_from(left).unwrap_or(MAX_POLLED).min(MAX_POLLED);
        shared.reserved += max as u64;
        (max > 0).then_some(max)
    }

    /// A poll is over: what it brought, and whether that was any news.
    fn came(&self, max: usize, new: usize, again: usize, news: bool, polled_at: Timestamp) {
        let mut shared = self.shared();
        shared.reserved -= max as u64;
        shared.new += new as u64;
        shared.again += again as u64;
        if news {
            shared.empties = 0;
        } else if polled_at >= shared.not_before {
            if shared.empties == 0 {
                shared.empty_since = polled_at;
            }
            shared.empties += 1;
        }
    }

    /// A poll failed: unless it was refused, it may have hidden messages that nobody knows of.
    fn missed(&self, max: usize, is_in_doubt: bool) {
        let hidden_until = self.clock.now() + self.hidden_for();
        let mut shared = self.shared();
        shared.reserved -= max as u64;
        if is_in_doubt {
            shared.wait_until(hidden_until);
        }
    }

    pub(crate) fn done(&self) -> Done {
        let shared = self.shared();
        let end = if self.how.limit.is_some_and(|limit| shared.new >= limit) {
            End::Limit
        } else if shared.empties >= self.how.empty_polls.max(1) {
            End::Drained
        } else {
            End::Stopped
        };
        Done {
            new: shared.new,
            again: shared.again,
            end,
            empty_since: shared.empty_since,
            nothing_unknown: self.clock.now() >= shared.not_before,
        }
    }

    fn tell(&self, step: Step) {
        let (new, again) = {
            let shared = self.shared();
            (shared.new, shared.again)
        };
        (self.progress)(Progress { step, new, again });
    }

    /// Whole seconds, and never nothing.
    fn hidden_for(&self) -> Duration {
        Duration::from_secs(self.how.hidden_for.as_secs().max(1))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics while it holds it.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Messages may be hidden until then.
    fn wait_until(&mut self, time: Timestamp) {
        self.not_before = self.not_before.max(time);
        self.empties = 0;
    }
}

pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
