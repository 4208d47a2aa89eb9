//! `DeleteMessageBatch`.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use taskwatch_sqs_message::CallError;
use tokio::time::Instant;

use crate::batch::{Answer, CONCURRENT_CALLS, Call, run};
use crate::failure::Action;

struct Delete<'a> {
    client: &'a Client,
    queue: &'a str,
    url: &'a str,
    receipt_handles: &'a [&'a str],
}

/// One answer for each, in order.
pub(crate) async fn delete(
    client: &Client,
    queue: &str,
    url: &str,
    receipt_handles: &[&str],
    deadline: Instant,
) -> Vec<Result<(), CallError>> {
    let call = Delete { client, queue, url, receipt_handles };
    run(&call, queue, receipt_handles.len(), CONCURRENT_CALLS, deadline).await
}

#[async_trait]
impl Call for Delete<'_> {
    const ACTION: Action = Action("sqs:DeleteMessage");

    /// Receipt handles are short.
    fn bytes(&self, _: usize) -> usize {
        0
    }

    async fn call(&self, places: &[usize]) -> Result<Answer, CallError> {
        let entry = |place: &usize| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(self.receipt_handles[*place])
                .build()
        };
        let entries: Result<Vec<_>, BuildError> = places.iter().map(entry).collect();
        let entries =
            entries.map_err(|error| CallError::Refused { queue: self.queue.to_owned(), why: error.to_string() })?;
        let call = self.client.delete_message_batch().queue_url(self.url).set_entries(Some(entries));
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
