//! What is asked of the queue once the engine has answered, and before the response goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use taskwatch_core::delivery::{Answer, Answered, Why};
use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{DeadLetter, Hide, Original, QueueCalls, comes_again_after};
use tracing::info;

use crate::batches::Report;
use crate::trouble::{Asking, Kind};

/// Longest time for the calls of one kind.
const CALLS: Duration = Duration::from_secs(3);

/// Calls that would have less are not made.
const LEAST: Duration = Duration::from_millis(300);

/// How long a mapping may keep a message before it invokes: the longest batching window.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// The calls that may be made; none, unless told.
#[derive(Clone, Default)]
pub(crate) struct Aftermath {
    visibility: Option<Arc<Asking>>,
    dead_letters: Option<Arc<Asking>>,
}

/// The time for it.
pub(crate) struct Term<'a> {
    pub(crate) clock: &'a dyn Clock,
    /// When the invocation began.
    pub(crate) begun: Timestamp,
    /// When the response has to go out.
    pub(crate) until: Timestamp,
}

impl Term<'_> {
    fn left(&self) -> Option<Duration> {
        Some(self.until.since(self.clock.now()).min(CALLS)).filter(|left| *left >= LEAST)
    }
}

impl Aftermath {
    pub(crate) fn change_visibility(&mut self, calls: Arc<dyn QueueCalls>) {
        self.visibility = Some(Arc::new(Asking::new(calls, Kind::Hide)));
    }

    pub(crate) fn send_dead_letters(&mut self, calls: Arc<dyn QueueCalls>) {
        self.dead_letters = Some(Arc::new(Asking::new(calls, Kind::SendDead)));
    }

    /// Whether anything can be asked at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.visibility.is_none() && self.dead_letters.is_none()
    }

    /// Sends what is dead and hides what comes again. Answers of dead letters that have been sent become
    /// [`Answer::Acknowledge`], and then only: whatever fails here leaves them as they were.
    pub(crate) async fn follow(
        &self,
        records: &Records<'_>,
        answers: &mut [Answered],
        report: Report,
        term: &Term<'_>,
    ) {
        if answers.iter().all(|answered| answered.answer == Answer::Acknowledge) {
            return;
        }
        if let Some(asking) = &self.dead_letters {
            // The others make the invocation fail, so that a letter would come again and be sent again.
            let is_worth_it = report == Report::Partial
                || answers.iter().all(|answered| !matches!(answered.answer, Answer::RetryAfter(_)));
            if is_worth_it {
                send_dead(asking, records, answers, term).await;
            }
        }
        if let Some(asking) = &self.visibility {
            hide(asking, records, answers, report, term).await;
        }
    }
}

/// The records of an event by message id. Of a message that came twice it is the last: its receipt is the one that counts.
pub(crate) type Records<'a> = BTreeMap<&'a str, &'a Map<String, Value>>;

async fn send_dead(asking: &Asking, records: &Records<'_>, answers: &mut [Answered], term: &Term<'_>) {
    let mut queues: BTreeMap<&str, BTreeMap<&str, DeadLetter>> = BTreeMap::new();
    for answered in answers.iter().filter(|answered| answered.answer == Answer::DeadLetter) {
        let id = answered.delivery.receipt.as_str();
        let Some((object, queue)) = records.get(id).and_then(|object| Some((*object, queue_of(object)?))) else {
            continue;
        };
        let Some(original) = asking.is_allowed(queue).then(|| Original::from_object(object)).flatten() else {
            continue;
        };
        let (reason, task) = (answered.why.to_string(), answered.delivery.task());
        let letter = DeadLetter { original, reason, task, at: term.clock.now() };
        queues.entry(queue).or_default().insert(id, letter);
    }
    let mut sent: BTreeSet<String> = BTreeSet::new();
    for (queue, letters) in queues {
        let Some(within) = term.left() else { break };
        let (ids, letters): (Vec<&str>, Vec<DeadLetter>) = letters.into_iter().unzip();
        let outcomes = asking.send_dead(queue, &letters, term.clock, within).await;
        sent.extend(ids.into_iter().zip(outcomes).filter(|(_, is_sent)| *is_sent).map(|(id, _)| id.to_owned()));
    }
    for answered in answers.iter_mut().filter(|answered| answered.answer == Answer::DeadLetter) {
        let Answered { delivery, why, answer } = answered;
        if sent.contains(&delivery.receipt) {
            let task = delivery.task().map(taskwatch_core::task::TaskId::get);
            let (message_id, receive_count) = (&delivery.receipt, delivery.receive_count);
            info!(message_id, task, receive_count, "sent to the dead-letter queue: {why}");
            *answer = Answer::Acknowledge;
        }
    }
}

async fn hide(asking: &Asking, records: &Records<'_>, answers: &[Answered], report: Report, term: &Term<'_>) {
    let mut queues: BTreeMap<&str, BTreeMap<&str, Hide>> = BTreeMap::new();
    for (id, hidden_for) in delays(answers, report) {
        let Some(object) = records.get(id) else { continue };
        let Some(queue) = queue_of(object).filter(|queue| asking.is_allowed(queue)) else { continue };
        let Some(receipt_handle) = member(object, "receiptHandle") else { continue };
        let held = term.clock.now().since(term.begun) + WINDOW;
        let hide = Hide { receipt_handle: receipt_handle.to_owned(), hidden_for, held };
        queues.entry(queue).or_default().insert(id, hide);
    }
    for (queue, hides) in queues {
        let Some(within) = term.left() else { break };
        let hides: Vec<Hide> = hides.into_values().collect();
        asking.hide(queue, &hides, term.clock, within).await;
    }
}

/// Which messages are to come again when, by id. Whoever is not among them comes after the queue's visibility timeout.
///
/// In a FIFO queue, any message that is in flight keeps back its whole group. So those behind one that comes again are
/// told to come at once: they will come with it and not before, while left alone they would hold it up. Where the one in
/// front is left to the queue's timeout, so are they.
fn delays(answers: &[Answered], report: Report) -> Vec<(&str, Duration)> {
    let mut delays = Vec::new();
    let (mut waiting, mut stuck): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for answered in answers.iter().filter(|answered| answered.answer != Answer::Acknowledge) {
        let (group, delay) = (answered.delivery.group.as_deref(), comes_again_after(answered));
        match delay {
            Some(_) => waiting.extend(group),
            None if answered.why == Why::BehindAnother => waiting.extend(group),
            None => stuck.extend(group),
        }
        delays.extend(delay.map(|delay| (answered.delivery.receipt.as_str(), delay)));
    }
    for Answered { delivery, answer, why } in answers {
        let is_behind = *why == Why::BehindAnother;
        // Of a batch that fails as a whole, those that are done come again too, as duplicates.
        let is_before = *answer == Answer::Acknowledge && report == Report::WholeBatch;
        let is_held_up = |group: &str| waiting.contains(group) && !stuck.contains(group);
        if (is_behind || is_before) && delivery.group.as_deref().is_some_and(is_held_up) {
            delays.push((delivery.receipt.as_str(), Duration::ZERO));
        }
    }
    delays
}

fn queue_of(object: &Map<String, Value>) -> Option<&str> {
    member(object, "eventSourceARN")
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}
