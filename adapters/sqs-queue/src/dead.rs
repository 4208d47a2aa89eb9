//! `SendMessageBatch` to a dead-letter queue.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use taskwatch_sqs_message::{CallError, DeadLetter};
use tokio::time::Instant;

use crate::batch::{Answer, CONCURRENT_CALLS, Call, run};
use crate::failure::Action;
use crate::find::Target;
use crate::letter::Letter;
use crate::message::{self, MAX_BYTES, SEND};

struct Send<'a> {
    client: &'a Client,
    target: &'a Target,
    letters: Vec<Letter<'a>>,
}

/// One answer for each, in order. A letter that is refused with its reason is sent without.
pub(crate) async fn send(
    client: &Client,
    target: &Target,
    letters: &[DeadLetter],
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    // The order within a group is that of the calls.
    let at_once = if target.is_fifo() { 1 } else { CONCURRENT_CALLS };
    let mut outcomes: Vec<Result<(), CallError>> = vec![Ok(()); letters.len()];
    let (mut places, mut ready) = (Vec::new(), Vec::new());
    for (place, dead) in letters.iter().enumerate() {
        let letter = Letter::new(dead, target);
        let bytes = letter.bytes();
        if bytes > MAX_BYTES {
            outcomes[place] = Err(CallError::TooLarge { bytes, most: MAX_BYTES, queue: target.arn.clone() });
        } else {
            places.push(place);
            ready.push(letter);
        }
    }
    let call = Send { client, target, letters: ready };
    let sent = run(&call, &target.arn, call.letters.len(), at_once, deadline).await;
    let (mut bare_places, mut bare) = (Vec::new(), Vec::new());
    for ((place, letter), outcome) in places.into_iter().zip(&call.letters).zip(sent) {
        if let (Err(CallError::Refused { .. }), Some(without)) = (&outcome, letter.bare()) {
            bare_places.push(place);
            bare.push(without);
        }
        outcomes[place] = outcome.map_err(|error| too_large(error, letter));
    }
    if !bare.is_empty() {
        let call = Send { client, target, letters: bare };
        let sent = run(&call, &target.arn, call.letters.len(), at_once, deadline).await;
        for ((place, letter), outcome) in bare_places.into_iter().zip(&call.letters).zip(sent) {
            outcomes[place] = outcome.map_err(|error| too_large(error, letter));
        }
    }
    outcomes
}

/// Says the numbers, where SQS has said its own: «Message must be shorter than 262144 bytes».
fn too_large(error: CallError, letter: &Letter<'_>) -> CallError {
    let CallError::Refused { queue, why } = error else { return error };
    let most = why.split_once("must be shorter than ").and_then(|(_, rest)| rest.split_once(" bytes")?.0.parse().ok());
    match most {
        Some(most) => CallError::TooLarge { bytes: letter.bytes(), most, queue },
        None => CallError::Refused { queue, why },
    }
}

#[async_trait]
impl Call for Send<'_> {
    const ACTION: Action = SEND;

    fn bytes(&self, place: usize) -> usize {
        self.letters[place].bytes()
    }

    async fn call(&self, places: &[usize]) -> Result<Answer, CallError> {
        let queue = &self.target.arn;
        let entries: Result<Vec<_>, BuildError> =
            places.iter().map(|place| self.letters[*place].entry(place.to_string())).collect();
        let entries = entries.map_err(|error| CallError::Refused { queue: queue.clone(), why: error.to_string() })?;
        let call = self.client.send_message_batch().queue_url(&self.target.url).set_entries(Some(entries));
        let output = call.send().await.map_err(|error| Self::ACTION.failed(queue, &error))?;
        Ok(message::answer(&output))
    }
}
