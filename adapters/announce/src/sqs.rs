//! Over SQS: `SendMessageBatch`.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use taskwatch_aws::words;

use crate::entry::{Entry, STRING, TRACEPARENT};
use crate::failure::{Answer, Outcomes};

/// One call with at most ten entries; `Err` says why all of it failed.
pub(crate) async fn publish(client: &Client, queue: &str, entries: &[Entry]) -> Result<Outcomes, String> {
    let built: Result<Vec<_>, BuildError> = entries.iter().enumerate().map(|(at, entry)| message(at, entry)).collect();
    let built = built.map_err(|error| error.to_string())?;
    let sent = client.send_message_batch().queue_url(queue).set_entries(Some(built)).send().await;
    let output = sent.map_err(|error| words(error.code(), error.message(), &error))?;
    let mut answer = Answer::default();
    for one in output.successful() {
        answer.published(one.id());
    }
    for one in output.failed() {
        answer.failed(one.id(), one.code(), one.message(), one.sender_fault());
    }
    Ok(answer.outcomes(entries.len()))
}

/// `GetQueueAttributes`; `Err` with the error's code, if the other side gave any, and its words.
pub(crate) async fn look(client: &Client, queue: &str) -> Result<(), (Option<String>, String)> {
    let looked =
        client.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::QueueArn).send().await;
    looked.map(drop).map_err(|error| (error.code().map(str::to_owned), words(error.code(), error.message(), &error)))
}

fn message(at: usize, entry: &Entry) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut message = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(&entry.body);
    if let Some(traceparent) = &entry.traceparent {
        let value = MessageAttributeValue::builder().data_type(STRING).string_value(traceparent).build()?;
        message = message.message_attributes(TRACEPARENT, value);
    }
    if let Some(fifo) = &entry.fifo {
        message = message.message_group_id(&fifo.group).message_deduplication_id(&fifo.once);
    }
    message.build()
}
