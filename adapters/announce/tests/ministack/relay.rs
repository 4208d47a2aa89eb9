//! From an outbox to a queue.

use std::sync::Arc;
use std::time::Duration;

use taskwatch_announce::Announce;
use taskwatch_core::ledger::{Origin, Source};
use taskwatch_core::outbox::{Announcer, Relay, Swept};
use taskwatch_core::ports::{Clock, Store};
use taskwatch_core::task::NewTask;
use taskwatch_core::time::Timestamp;
use taskwatch_testkit::{MemoryStore, VirtualClock};

use crate::scene::{Received, announce_to, config, topic};

const HIDDEN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_was_added_arrives_once_the_broker_is_back() {
    let (topic, queue) = topic(false);
    let clock = VirtualClock::new(Timestamp::from_micros(1_800_000_000_000_000));
    let store = MemoryStore::new().announcing();
    let tasks: Vec<_> = (0..120).map(|at| NewTask::titled(format!("task {at}"))).collect();
    let origin = Origin::new(Source::Local, "test");
    store.insert(&tasks, &origin, clock.now()).await.unwrap();
    let relay = |announcer: Announce| {
        let announcer: Arc<dyn Announcer> = Arc::new(announcer);
        Relay::new(Arc::new(store.clone()), announcer, Arc::new(clock.clone()), HIDDEN)
    };

    // Nobody listens on port 9.
    let down = Announce::with(topic.parse().unwrap(), &config(Some("http://127.0.0.1:9")).await).unwrap();
    let swept = relay(down).sweep().await.unwrap();
    assert_eq!((swept.published, swept.failed), (0, 100), "{swept:?}");
    assert!(swept.why.unwrap().contains(&topic));

    clock.advance(HIDDEN);
    let relay = relay(announce_to(&topic).await);
    assert_eq!(relay.sweep().await.unwrap(), Swept { published: 120, failed: 0, why: None });
    let received = Received::from(&queue, 120);
    assert_eq!(received.ids(), (1..=120).collect::<Vec<_>>());
    clock.advance(HIDDEN);
    assert_eq!(relay.sweep().await.unwrap(), Swept::default());
}
