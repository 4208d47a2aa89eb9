//! Received messages as the engine takes them, with the payloads of those that only point to one.

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use taskwatch_core::delivery::Delivery;
use taskwatch_sqs_message::{PayloadError, Payloads, Received, S3Pointer, delivery_with};
use tokio::time::{Instant, timeout_at};

/// How many are fetched at once: each may take 1 MiB while it is read.
const AT_ONCE: usize = 8;

/// Reads messages, in order. One without a receipt handle cannot be answered, and is left out.
pub(crate) async fn read(
    messages: Vec<Received>,
    queue: &str,
    payloads: Option<&dyn Payloads>,
    until: Instant,
) -> Vec<(Delivery, Received)> {
    let in_time = payloads.map(|payloads| InTime { payloads, until });
    let in_time = in_time.as_ref().map(|payloads| payloads as &dyn Payloads);
    let read = |message: Received| async move {
        let receipt = message.record.receipt_handle.clone()?;
        let mut delivery = delivery_with(&message.record, receipt, in_time).await;
        delivery.group = message.record.ordered_group(queue);
        Some((delivery, message))
    };
    let reading: Vec<_> = messages.into_iter().map(read).collect();
    stream::iter(reading).buffered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// The same payloads, but none later than that.
struct InTime<'a> {
    payloads: &'a dyn Payloads,
    until: Instant,
}

#[async_trait]
impl Payloads for InTime<'_> {
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        let late = || PayloadError::Unavailable("it did not come in a quarter of the message's time".to_owned());
        timeout_at(self.until, self.payloads.fetch(pointer)).await.unwrap_or_else(|_| Err(late()))
    }
}
