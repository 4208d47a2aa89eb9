//! The calls, each with what follows from its outcome. Nothing here knows what else is held.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use taskwatch_core::delivery::Delivery;
use taskwatch_core::task::TaskId;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{CallError, DeadLetter, Hide, Payloads, Poll, PolledQueue, Received, grown};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::condition::Condition;
use crate::options::Options;
use crate::payloads;

/// Longest time for one call with its retries.
const WITHIN: Duration = Duration::from_secs(4);

/// How often a message is tried to be deleted.
const DELETES: u32 = 3;

/// Before the second time; then four times that.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a dead letter that is left to the redrive policy is hidden the first time.
const LEFT_TO_REDRIVE: Duration = Duration::from_secs(10);

/// The queue, as this crate calls it.
pub(crate) struct Calls {
    port: Arc<dyn PolledQueue>,
    queue: String,
    payloads: Option<Arc<dyn Payloads>>,
    pub(crate) options: Options,
    renewing: Condition,
    hiding: Condition,
    burying: Condition,
}

/// A message that nobody works any more.
pub(crate) struct Entry {
    pub(crate) receipt: String,
    pub(crate) received: Received,
    /// When it was received, at the earliest.
    pub(crate) since: Instant,
    /// Who waits until it has been dealt with; nobody, where it is given back unasked.
    pub(crate) failures: Option<mpsc::UnboundedSender<String>>,
}

/// One that nobody can work.
pub(crate) struct Letter {
    pub(crate) entry: Entry,
    pub(crate) task: Option<TaskId>,
    pub(crate) why: String,
}

impl Calls {
    pub(crate) fn new(
        port: Arc<dyn PolledQueue>,
        queue: String,
        payloads: Option<Arc<dyn Payloads>>,
        options: Options,
    ) -> Arc<Self> {
        let renewing = Condition::good(
            "messages are lost when their visibility ends, and what works them is cut off",
            "the visibility of messages is renewed again",
        );
        let hiding = Condition::good(
            "messages come again when their visibility ends",
            "messages can be told again when to come again",
        );
        let burying =
            Condition::good("dead letters are left to the queue's redrive policy", "dead letters can be sent again");
        Arc::new(Self { port, queue, payloads, options, renewing, hiding, burying })
    }

    /// One poll for at most `max` messages.
    pub(crate) async fn poll(&self, max: usize) -> Result<Vec<(Delivery, Received)>, CallError> {
        let Options { wait, hidden, .. } = self.options;
        let received = self.port.receive(&self.queue, Poll { max, wait, hidden_for: hidden }).await?;
        let until = Instant::now() + hidden / 4;
        Ok(payloads::read(received, &self.queue, self.payloads.as_deref(), until).await)
    }

    /// Hides messages that are held anew.
    pub(crate) async fn renew(&self, hides: &[Hide]) -> Vec<Result<(), CallError>> {
        let within = WITHIN.min(self.options.hidden / 4);
        let mut outcomes = self.port.hide(&self.queue, hides, within).await;
        outcomes.resize_with(hides.len(), || Err(self.silent()));
        self.renewing.heard(&outcomes);
        outcomes
    }

    /// Deletes messages; what cannot be deleted is told to whoever waits for it.
    pub(crate) async fn delete(&self, mut open: Vec<Entry>) {
        for round in 1..=DELETES {
            let handles: Vec<&str> = open.iter().map(|entry| entry.receipt.as_str()).collect();
            let mut outcomes = self.port.delete(&self.queue, &handles, WITHIN).await;
            outcomes.resize_with(open.len(), || Err(self.silent()));
            let mut again = Vec::new();
            for (entry, outcome) in std::mem::take(&mut open).into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => {}
                    // Nothing is left of this receive: others have the message, or have deleted it, or the whole queue.
                    Err(error @ (CallError::Refused { .. } | CallError::Gone { .. })) => debug!("failed to {error}"),
                    Err(error) if round == DELETES || matches!(error, CallError::NotAllowed { .. }) => {
                        entry.fail(&error);
                    }
                    Err(_) => again.push(entry),
                }
            }
            if again.is_empty() {
                return;
            }
            open = again;
            sleep(PAUSE * 4_u32.pow(round - 1)).await;
        }
    }

    /// Has messages come again after so long.
    pub(crate) async fn hide(&self, messages: Vec<(Duration, Entry)>) {
        if !self.hiding.is_allowed() {
            return;
        }
        let hide = |(hidden_for, entry): &(Duration, Entry)| entry.hide(*hidden_for);
        let hides: Vec<Hide> = messages.iter().map(hide).collect();
        let outcomes = self.port.hide(&self.queue, &hides, WITHIN).await;
        self.hiding.heard(&outcomes);
        for error in outcomes.into_iter().filter_map(Result::err) {
            debug!("failed to {error}");
        }
    }

    /// Sends dead letters, deletes those that have been sent, and leaves the others to the redrive policy.
    pub(crate) async fn bury(&self, letters: Vec<Letter>) {
        let is_allowed = self.options.dead_letters && self.burying.is_allowed();
        let (mut left, mut whole, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        for letter in letters {
            match letter.entry.received.original().filter(|_| is_allowed) {
                Some(original) => {
                    dead.push(DeadLetter { original, reason: letter.why.clone(), task: letter.task, at: now() });
                    whole.push(letter);
                }
                None => left.push(letter),
            }
        }
        let mut sent = Vec::new();
        if !dead.is_empty() {
            let mut outcomes = self.port.send_dead(&self.queue, &dead, WITHIN).await;
            outcomes.resize_with(dead.len(), || Err(self.silent()));
            self.burying.heard(&outcomes);
            for (letter, outcome) in whole.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => sent.push(letter),
                    Err(error) => {
                        if matches!(error, CallError::Refused { .. } | CallError::TooLarge { .. }) {
                            warn!("failed to {error}: left to the queue's redrive policy");
                        }
                        left.push(letter);
                    }
                }
            }
        }
        let say = |letter: &Letter, what| {
            let record = &letter.entry.received.record;
            let (message_id, task) = (record.message_id.as_deref(), letter.task.map(TaskId::get));
            warn!(message_id, task, receive_count = record.receive_count(), "{what}: {}", letter.why);
        };
        sent.iter().for_each(|letter| say(letter, "sent to the dead-letter queue"));
        left.iter().for_each(|letter| say(letter, "left to the queue's redrive policy"));
        if !sent.is_empty() {
            self.delete(sent.into_iter().map(|letter| letter.entry).collect()).await;
        }
        if !left.is_empty() && self.options.visibility {
            let hidden_for = |entry: &Entry| grown(LEFT_TO_REDRIVE, entry.received.record.receive_count());
            self.hide(left.into_iter().map(|letter| (hidden_for(&letter.entry), letter.entry)).collect()).await;
        }
    }

    fn silent(&self) -> CallError {
        CallError::Unavailable { queue: self.queue.clone(), why: "no answer for each message".to_owned() }
    }
}

impl Entry {
    fn hide(&self, hidden_for: Duration) -> Hide {
        Hide { receipt_handle: self.receipt.clone(), hidden_for, held: self.since.elapsed() }
    }

    fn fail(self, error: &CallError) {
        match &self.failures {
            // Whoever waited may be gone: then the message's coming again has to do.
            Some(failures) => drop(failures.send(error.to_string())),
            None => info!("failed to {error}"),
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since
}
