//! A message as an entry of `SendMessageBatch`, and what the answer says of it.

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use taskwatch_sqs_message::{Attribute, AttributeValue, Original};

use crate::batch::Answer;
use crate::failure::Action;

/// What sending takes, however many at once.
pub(crate) const SEND: Action = Action("sqs:SendMessage");

/// Most bytes of a message with its attributes, on any queue.
pub(crate) const MAX_BYTES: usize = 1_048_576;

/// Whether a queue keeps the order within groups: by its ARN or its URL.
pub(crate) fn is_fifo(queue: &str) -> bool {
    queue.ends_with(".fifo")
}

/// What counts toward the limits.
pub(crate) fn bytes<'a>(body: &str, attributes: impl Iterator<Item = (&'a str, &'a Attribute)>) -> usize {
    let size = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Base64(text) => text.len() / 4 * 3,
    };
    let attributes: usize =
        attributes.map(|(name, attribute)| name.len() + attribute.data_type.len() + size(attribute)).sum();
    body.len() + attributes
}

/// The group in which it goes to a FIFO queue.
pub(crate) fn group(original: &Original) -> &str {
    original.group.as_ref().unwrap_or(&original.message_id)
}

/// A message with these attributes in place of its own; with a deduplication id for a FIFO queue, and for no other.
pub(crate) fn entry<'a>(
    id: String,
    original: &Original,
    attributes: impl Iterator<Item = (&'a str, &'a Attribute)>,
    deduplication_id: Option<String>,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder().id(id).message_body(&original.body);
    for (name, attribute) in attributes {
        if let Some(value) = value(attribute)? {
            entry = entry.message_attributes(name, value);
        }
    }
    if let Some(header) = &original.trace_header {
        let value = MessageSystemAttributeValue::builder().data_type("String").string_value(header).build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    let group = if deduplication_id.is_some() { Some(group(original)) } else { original.group.as_deref() };
    entry.set_message_group_id(group.map(str::to_owned)).set_message_deduplication_id(deduplication_id).build()
}

/// `None` for bytes that are not in base64: whoever made the record has not got them from SQS.
fn value(attribute: &Attribute) -> Result<Option<MessageAttributeValue>, BuildError> {
    let builder = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let builder = match &attribute.value {
        AttributeValue::Text(text) => builder.string_value(text),
        AttributeValue::Base64(text) => match aws_smithy_types::base64::decode(text) {
            Ok(bytes) => builder.binary_value(Blob::new(bytes)),
            Err(_) => return Ok(None),
        },
    };
    builder.build().map(Some)
}

pub(crate) fn answer(output: &SendMessageBatchOutput) -> Answer {
    let mut answer = Answer::default();
    for one in output.successful() {
        answer.done(one.id());
    }
    for one in output.failed() {
        answer.failed(one.id(), one.code(), one.message(), one.sender_fault());
    }
    answer
}
