//! Payloads that are fetched before the work begins, some at once, as long as there is time.

use async_trait::async_trait;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use taskwatch_core::delivery::{Delivery, Subject};
use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;
use taskwatch_sqs_message::{PayloadError, Payloads, S3Pointer};

use crate::event::Message;

/// How many are fetched at once: each may take 1 MiB while it is read.
const AT_ONCE: usize = 8;

/// Fetches the payloads of the messages that point to one; others are left as they are.
pub(crate) async fn fetch(messages: &mut [Message<'_>], payloads: &dyn Payloads, clock: &dyn Clock, until: Timestamp) {
    let in_time = InTime { payloads, clock, until };
    // Without a payload, a pointer is something that cannot be read.
    let fetches: Vec<_> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| matches!(message.delivery.subject, Subject::Unreadable(_)))
        .map(|(place, message)| {
            let in_time = &in_time;
            async move { (place, message.fetched(in_time).await) }
        })
        .collect();
    let fetched: Vec<(usize, Delivery)> = stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await;
    for (place, delivery) in fetched {
        messages[place].delivery = delivery;
    }
}

/// The same payloads, but none later than that.
struct InTime<'a> {
    payloads: &'a dyn Payloads,
    clock: &'a dyn Clock,
    until: Timestamp,
}

#[async_trait]
impl Payloads for InTime<'_> {
    async fn fetch(&self, pointer: &S3Pointer) -> Result<String, PayloadError> {
        let left = self.until.since(self.clock.now());
        if !left.is_zero()
            && let Either::Left((fetched, _)) = select(self.payloads.fetch(pointer), self.clock.sleep(left)).await
        {
            return fetched;
        }
        Err(PayloadError::Unavailable("the invocation has no more time for it".to_owned()))
    }
}
