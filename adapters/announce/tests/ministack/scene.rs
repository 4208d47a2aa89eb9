//! A topic or a queue of one's own, and what was received from it.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use taskwatch_announce::Announce;
use taskwatch_core::delivery::Delivery;
use taskwatch_core::outbox::Announcement;
use taskwatch_core::task::Task;
use taskwatch_sqs_message::{Message, SqsRecord, delivery, read};
use taskwatch_testbed::{Aws, Queue};

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(crate) fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

/// Announcement `number` of task `id`.
pub(crate) fn announcement(number: i64, id: i64, title: &str, description: Option<&str>) -> Announcement {
    let task = Task { id: id.try_into().unwrap(), title: title.into(), description: description.map(Into::into) };
    Announcement { number, task, trace: Some(TRACE.into()) }
}

pub(crate) fn queue(name: &str) -> Queue {
    aws().create_queue(&Aws::unique(name), &[]).unwrap()
}

pub(crate) fn fifo(name: &str) -> String {
    format!("{}.fifo", Aws::unique(name))
}

/// A topic with one queue behind it.
pub(crate) fn topic(raw: bool) -> (String, Queue) {
    let (topic, queue) = (aws().create_topic(&Aws::unique("topic")).unwrap(), queue("behind"));
    aws().subscribe(&topic, &queue, raw).unwrap();
    (topic, queue)
}

/// As a program would have loaded it, without its environment.
pub(crate) async fn config(endpoint: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(aws().region()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "geheim", None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

pub(crate) async fn announce_to(target: &str) -> Announce {
    Announce::with(target.parse().unwrap(), &config(Some(aws().endpoint())).await).unwrap()
}

/// All that has come to a queue.
pub(crate) struct Received(pub(crate) Vec<SqsRecord>);

impl Received {
    /// This many, no fewer and no more.
    pub(crate) fn from(queue: &Queue, count: usize) -> Self {
        let messages = aws().drain(queue, count).unwrap();
        assert_eq!(messages.len(), count, "{messages:?}");
        // The stand-in delivers before it answers the publisher, so whatever is to come is there.
        assert_eq!(aws().receive(queue, 1, Duration::ZERO).unwrap(), [] as [serde_json::Value; 0], "more than {count}");
        Self(messages.into_iter().map(|message| serde_json::from_value(message).unwrap()).collect())
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.0.iter().map(|record| read(record).unwrap_or_else(|why| panic!("{why}"))).collect()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.0.iter().map(|record| delivery(record, "receipt")).collect()
    }

    /// The ids of the tasks, sorted: a standard queue promises no order.
    pub(crate) fn ids(&self) -> Vec<i64> {
        let mut ids: Vec<_> = self.messages().iter().map(|message| message.task.get()).collect();
        ids.sort_unstable();
        ids
    }
}
