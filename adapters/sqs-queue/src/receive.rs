//! `ReceiveMessage`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use aws_smithy_types::base64;
use taskwatch_aws::{ATTEMPTS, CONNECT};
use taskwatch_sqs_message::{Attribute, AttributeValue, CallError, MAX_POLLED, Poll, Received, SqsRecord};

use crate::failure::Action;

/// How long after its wait a poll ends at the latest.
pub const POLL_SLACK: Duration = Duration::from_secs(5);

/// Longest wait that SQS takes.
const LONGEST_WAIT: u64 = 20;

/// Longest time for which SQS hides a message.
const LONGEST_HIDDEN: u64 = 12 * 60 * 60;

const RECEIVE: Action = Action("sqs:ReceiveMessage");

/// A client for calls that wait: a connection comes quickly or not at all, but an answer takes its time, which the caller
/// bounds. What looks like a stalled answer to others is how a long poll looks.
pub(crate) fn client(config: &SdkConfig) -> Client {
    let patient = config
        .to_builder()
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::new(&patient.build())
}

pub(crate) async fn poll(client: &Client, queue: &str, url: &str, poll: Poll) -> Result<Vec<Received>, CallError> {
    let polled = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(whole(poll.max.clamp(1, MAX_POLLED)))
        .wait_time_seconds(whole(poll.wait.as_secs().min(LONGEST_WAIT)))
        .visibility_timeout(whole(poll.hidden_for.as_secs().min(LONGEST_HIDDEN)))
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send();
    let output = polled.await.map_err(|error| RECEIVE.failed(queue, &error))?;
    Ok(output.messages.unwrap_or_default().into_iter().map(received).collect())
}

fn whole(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

fn received(message: Message) -> Received {
    let system = message.attributes.unwrap_or_default();
    let attributes: BTreeMap<String, Attribute> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, attribute(value)?)))
        .collect();
    let text = |(name, attribute): (&String, &Attribute)| match &attribute.value {
        AttributeValue::Text(text) => Some((name.clone(), text.clone())),
        AttributeValue::Base64(_) => None,
    };
    let record = SqsRecord {
        message_id: message.message_id,
        receipt_handle: message.receipt_handle,
        body: message.body,
        attributes: system.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
        message_attributes: attributes.iter().filter_map(text).collect(),
        source_arn: None,
    };
    Received { record, attributes }
}

/// `None` for one without a value of its type: SQS would not take it back.
fn attribute(value: MessageAttributeValue) -> Option<Attribute> {
    let is_binary = value.data_type == "Binary" || value.data_type.starts_with("Binary.");
    let said = if is_binary {
        AttributeValue::Base64(base64::encode(value.binary_value?))
    } else {
        AttributeValue::Text(value.string_value.filter(|text| !text.is_empty())?)
    };
    Some(Attribute { data_type: value.data_type, value: said })
}
