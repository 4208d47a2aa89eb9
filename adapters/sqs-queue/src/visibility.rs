//! `ChangeMessageVisibilityBatch`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use taskwatch_sqs_message::{CallError, Hide};
use tokio::time::Instant;

use crate::batch::{Answer, CONCURRENT_CALLS, Call, run};
use crate::failure::Action;

/// How long SQS hides a message, counted from when it was received.
const LONGEST: u64 = 12 * 60 * 60;

struct Change<'a> {
    client: &'a Client,
    queue: &'a str,
    url: &'a str,
    messages: &'a [Hide],
}

/// One answer for each, in order.
pub(crate) async fn change(
    client: &Client,
    queue: &str,
    url: &str,
    messages: &[Hide],
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    let call = Change { client, queue, url, messages };
    run(&call, queue, messages.len(), CONCURRENT_CALLS, deadline).await
}

/// Whole seconds: never less than asked for, unless SQS does not hide it for so long.
fn seconds(message: &Hide) -> i32 {
    let whole = |time: Duration| time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    let seconds = whole(message.hidden_for).min(LONGEST.saturating_sub(whole(message.held)));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[async_trait]
impl Call for Change<'_> {
    const ACTION: Action = Action("sqs:ChangeMessageVisibility");

    /// Receipt handles are short.
    fn bytes(&self, _: usize) -> usize {
        0
    }

    async fn call(&self, places: &[usize]) -> Result<Answer, CallError> {
        let entry = |place: &usize| {
            let message = &self.messages[*place];
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(&message.receipt_handle)
                .visibility_timeout(seconds(message))
                .build()
        };
        let entries: Result<Vec<_>, BuildError> = places.iter().map(entry).collect();
        let entries =
            entries.map_err(|error| CallError::Refused { queue: self.queue.to_owned(), why: error.to_string() })?;
        let call = self.client.change_message_visibility_batch().queue_url(self.url).set_entries(Some(entries));
        let output = call.send().await.map_err(|error| Self::ACTION.failed(self.queue, &error))?;
        let mut answer = Answer::default();
        for one in output.successful() {
            answer.done(one.id());
        }
        for one in output.failed() {
            answer.failed(one.id(), one.code(), one.message(), one.sender_fault());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(hidden_for: Duration, held: Duration) -> i32 {
        seconds(&Hide { receipt_handle: "r".to_owned(), hidden_for, held })
    }

    #[test]
    fn seconds_are_rounded_up_and_end_12_hours_after_the_receive() {
        let (none, second, hour) = (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3600));
        assert_eq!(asked(none, none), 0);
        assert_eq!(asked(Duration::from_nanos(1), none), 1);
        assert_eq!(asked(second, none), 1);
        assert_eq!(asked(second + Duration::from_micros(1), none), 2);
        assert_eq!(asked(hour * 12, none), 43_200);
        assert_eq!(asked(hour * 13, none), 43_200);
        assert_eq!(asked(hour * 12, second), 43_199);
        assert_eq!(asked(hour, hour * 11 + second), 3_599);
        assert_eq!(asked(Duration::MAX, Duration::MAX), 0);
    }
}
