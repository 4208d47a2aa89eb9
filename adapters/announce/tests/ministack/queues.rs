//! Over SQS.

use taskwatch_announce::Announce;
use taskwatch_core::outbox::Announcer;
use taskwatch_sqs_message::Wrapping;
use taskwatch_testbed::Aws;

use crate::scene::{Received, TRACE, announce_to, announcement, aws, config, fifo, queue};

#[tokio::test]
async fn a_message_is_read_back_with_its_trace() {
    let queue = queue("direct");
    let mut untraced = announcement(2, 8, "Sweep", None);
    untraced.trace = None;
    let announced = [announcement(1, 7, "Sweep", Some("\u{fffe}\u{ffff}🧹")), untraced];
    assert_eq!(announce_to(&queue.url).await.announce(&announced).await, vec![Ok(()); 2]);
    let received = Received::from(&queue, 2);
    let mut deliveries = received.deliveries();
    deliveries.sort_by_key(|delivery| delivery.task());
    let traces: Vec<_> =
        deliveries.iter().map(|one| (one.task().map(i64::from).unwrap(), one.trace.as_deref())).collect();
    assert_eq!(traces, [(7, Some(TRACE)), (8, None)]);
    let message = received.messages().into_iter().find(|message| message.task.get() == 7).unwrap();
    assert!(matches!(message.wrapped, Wrapping::Raw));
    assert_eq!(message.description, announced[0].task.description);
}

#[tokio::test]
async fn the_url_of_a_queue_elsewhere_says_where_to_call() {
    let queue = queue("elsewhere");
    let announce = Announce::with(queue.url.parse().unwrap(), &config(None).await).unwrap();
    assert_eq!(announce.announce(&[announcement(1, 7, "Sweep", None)]).await, [Ok(())]);
    assert_eq!(Received::from(&queue, 1).ids(), [7]);
}

#[tokio::test]
async fn a_hundred_with_long_descriptions_all_arrive_whole() {
    let queue = queue("hundred");
    let long = "x".repeat(60_000);
    let announced: Vec<_> = (1..=100).map(|id| announcement(id, id, "t", Some(&long))).collect();
    assert_eq!(announce_to(&queue.url).await.announce(&announced).await, vec![Ok(()); 100]);
    let received = Received::from(&queue, 100);
    assert_eq!(received.ids(), (1..=100).collect::<Vec<_>>());
    assert!(received.messages().iter().all(|message| message.description.as_ref() == Some(&long)));
}

#[tokio::test]
async fn what_the_queue_finds_too_large_goes_short_or_fails_alone() {
    let queue = aws().create_queue(&Aws::unique("small"), &[("MaximumMessageSize", "1024")]).unwrap();
    let announced = [
        announcement(1, 1, "short", Some("short")),
        announcement(2, 2, &"🧹".repeat(255), Some("cannot be made short enough")),
        announcement(3, 3, "long", Some(&"x".repeat(1100))),
        announcement(4, 4, "short", None),
    ];
    let outcomes = announce_to(&queue.url).await.announce(&announced).await;
    let good: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, true, true], "{outcomes:?}");
    let why = outcomes[1].as_ref().unwrap_err();
    assert!(why.starts_with("publish to http") && why.contains("1024"), "{why}");
    let received = Received::from(&queue, 3);
    assert_eq!(received.ids(), [1, 3, 4]);
    let long = received.messages().into_iter().find(|message| message.task.get() == 3).unwrap();
    assert_eq!((long.title.as_deref(), long.description), (Some("long"), None));
}

#[tokio::test]
async fn a_fifo_queue_delivers_a_repetition_once_and_a_replay_again() {
    let queue = aws().create_queue(&fifo("queue"), &[]).unwrap();
    let announce = announce_to(&queue.url).await;
    let (added, replayed) = (announcement(1, 7, "Sweep", None), announcement(2, 7, "Sweep", None));
    let other = announcement(3, 8, "Sweep", None);
    assert_eq!(announce.announce(&[added.clone(), other]).await, vec![Ok(()); 2]);
    assert_eq!(announce.announce(&[added, replayed]).await, vec![Ok(()); 2]);
    let mut messages = Received::from(&queue, 3).messages();
    messages.sort_by_key(|message| message.deduplication_id.clone());
    let ids: Vec<_> = messages.iter().map(|one| (one.group.as_deref(), one.deduplication_id.as_deref())).collect();
    assert_eq!(ids, [(Some("7"), Some("7-1")), (Some("7"), Some("7-2")), (Some("8"), Some("8-3"))]);
}
