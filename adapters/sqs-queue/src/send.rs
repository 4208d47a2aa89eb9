//! `SendMessageBatch` to any queue, knowing what may have been sent.

use std::collections::{HashMap, VecDeque};

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use taskwatch_sqs_message::{Attribute, CallError, Outgoing};
use tokio::time::Instant;

use crate::batch::{Answer, CONCURRENT_CALLS, Call, run};
use crate::doubt::Doubts;
use crate::failure::Action;
use crate::message::{self, MAX_BYTES, SEND, group, is_fifo};

struct Send<'a> {
    client: &'a Client,
    queue: &'a str,
    url: &'a str,
    is_fifo: bool,
    messages: Vec<&'a Outgoing>,
    doubts: Doubts,
}

/// One answer for each, in order.
pub(crate) async fn send(
    client: &Client,
    queue: &str,
    url: &str,
    messages: &[Outgoing],
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    if !is_fifo(queue) {
        return together(client, queue, url, messages.iter().collect(), CONCURRENT_CALLS, deadline).await;
    }
    // Some entries of a call may fail and others be sent: no call has two of a group.
    let mut lanes: Vec<VecDeque<usize>> = Vec::new();
    let mut lane_of: HashMap<&str, usize> = HashMap::new();
    for (place, one) in messages.iter().enumerate() {
        let lane = *lane_of.entry(group(&one.original)).or_insert(lanes.len());
        if lane == lanes.len() {
            lanes.push(VecDeque::new());
        }
        lanes[lane].push_back(place);
    }
    let behind = || CallError::NotSent {
        queue: queue.to_owned(),
        why: "it comes after another of its group that was not sent, or perhaps not".to_owned(),
    };
    let mut outcomes: Vec<Result<(), CallError>> = messages.iter().map(|_| Err(behind())).collect();
    while !lanes.is_empty() {
        let first: Vec<usize> = lanes.iter_mut().filter_map(VecDeque::pop_front).collect();
        let some = first.iter().map(|place| &messages[*place]).collect();
        let sent = together(client, queue, url, some, 1, deadline).await;
        let mut is_open = sent.iter().map(Result::is_ok).collect::<Vec<_>>().into_iter();
        lanes.retain(|lane| is_open.next().unwrap_or(false) && !lane.is_empty());
        for (place, outcome) in first.into_iter().zip(sent) {
            outcomes[place] = outcome;
        }
    }
    outcomes
}

/// Sends messages whose order does not count.
async fn together(
    client: &Client,
    queue: &str,
    url: &str,
    messages: Vec<&Outgoing>,
    at_once: usize,
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    let mut outcomes: Vec<Result<(), CallError>> = Vec::with_capacity(messages.len());
    let (mut places, mut ready) = (Vec::new(), Vec::new());
    for (place, one) in messages.into_iter().enumerate() {
        let bytes = bytes(one);
        outcomes.push(if bytes > MAX_BYTES {
            // It would fail its whole call.
            let why = format!("it has {bytes} bytes with its attributes, and no queue takes more than {MAX_BYTES}");
            Err(CallError::Refused { queue: queue.to_owned(), why })
        } else {
            places.push(place);
            ready.push(one);
            Ok(())
        });
    }
    let doubts = Doubts::new(ready.len());
    let call = Send { client, queue, url, is_fifo: is_fifo(queue), messages: ready, doubts };
    let sent = run(&call, queue, call.messages.len(), at_once, deadline).await;
    for (number, (place, outcome)) in places.into_iter().zip(sent).enumerate() {
        outcomes[place] =
            outcome.map_err(|error| if call.doubts.has(number) { open(queue, error) } else { unsent(error) });
    }
    outcomes
}

/// Whatever was said at last: it may have been sent before that.
fn open(queue: &str, error: CallError) -> CallError {
    match error {
        CallError::Unavailable { .. } => error,
        other => CallError::Unavailable {
            queue: queue.to_owned(),
            why: format!("an earlier attempt may have sent it, and the last one failed to {other}"),
        },
    }
}

/// Why it is certain that nothing was sent.
pub(crate) fn unsent(error: CallError) -> CallError {
    match error {
        CallError::Unavailable { queue, why } => CallError::NotSent { queue, why },
        other => other,
    }
}

fn attributes(one: &Outgoing) -> impl Iterator<Item = (&str, &Attribute)> {
    one.original.attributes.iter().map(|(name, attribute)| (name.as_str(), attribute))
}

fn bytes(one: &Outgoing) -> usize {
    message::bytes(&one.original.body, attributes(one))
}

#[async_trait]
impl Call for Send<'_> {
    const ACTION: Action = SEND;

    fn bytes(&self, place: usize) -> usize {
        bytes(self.messages[place])
    }

    async fn call(&self, places: &[usize]) -> Result<Answer, CallError> {
        let entry = |place: &usize| {
            let one = self.messages[*place];
            let deduplication_id = self.is_fifo.then(|| one.deduplication_id.clone());
            message::entry(place.to_string(), &one.original, attributes(one), deduplication_id)
        };
        let entries: Result<Vec<_>, BuildError> = places.iter().map(entry).collect();
        let entries =
            entries.map_err(|error| CallError::Refused { queue: self.queue.to_owned(), why: error.to_string() })?;
        let call = self.client.send_message_batch().queue_url(self.url).set_entries(Some(entries));
        let call = call.customize().interceptor(self.doubts.watch(places));
        let output = call.send().await.map_err(|error| Self::ACTION.failed(self.queue, &error))?;
        let answer = message::answer(&output);
        for &place in places.iter().filter(|place| answer.is_clear(**place)) {
            self.doubts.settle(place);
        }
        Ok(answer)
    }
}
