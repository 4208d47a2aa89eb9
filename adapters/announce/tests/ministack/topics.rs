//! Over SNS.

use serde_json::{Value, json};
use taskwatch_core::outbox::Announcer;
use taskwatch_sqs_message::Wrapping;
use taskwatch_testbed::Aws;

use crate::scene::{Received, TRACE, announce_to, announcement, aws, fifo, topic};

#[tokio::test]
async fn a_wrapped_message_is_that_of_the_old_system_and_is_read_back() {
    let (topic, queue) = topic(false);
    let announced = announcement(1, 7, "Sweep the \"floor\"", Some("è\u{ffff}\n\u{1}"));
    assert_eq!(announce_to(&topic).await.announce(std::slice::from_ref(&announced)).await, [Ok(())]);

    let received = Received::from(&queue, 1);
    let envelope: Value = serde_json::from_str(received.0[0].body.as_deref().unwrap()).unwrap();
    assert_eq!((&envelope["Type"], &envelope["Subject"]), (&json!("Notification"), &json!("New Task Added")));
    let message: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    let task = &announced.task;
    assert_eq!(message, json!({"task_id": 7, "title": task.title, "description": task.description}));

    let delivery = &received.deliveries()[0];
    assert_eq!((delivery.task(), delivery.trace.as_deref()), (Some(task.id), Some(TRACE)));
    let message = &received.messages()[0];
    assert!(matches!(message.wrapped, Wrapping::Sns { .. }));
    assert_eq!((message.title.as_ref(), message.description.as_ref()), (Some(&task.title), task.description.as_ref()));
}

#[tokio::test]
async fn raw_delivery_is_read_back_too() {
    let (topic, queue) = topic(true);
    let announced = announcement(1, 7, "Sweep", None);
    assert_eq!(announce_to(&topic).await.announce(&[announced]).await, [Ok(())]);
    let received = Received::from(&queue, 1);
    assert!(matches!(received.messages()[0].wrapped, Wrapping::Raw));
    let delivery = &received.deliveries()[0];
    assert_eq!((delivery.task().map(i64::from), delivery.trace.as_deref()), (Some(7), Some(TRACE)));
}

#[tokio::test]
async fn twenty_five_go_in_three_calls_and_all_arrive_once() {
    let (topic, queue) = topic(false);
    let announced: Vec<_> = (1..=25).map(|id| announcement(id, id, "t", None)).collect();
    assert_eq!(announce_to(&topic).await.announce(&announced).await, vec![Ok(()); 25]);
    assert_eq!(Received::from(&queue, 25).ids(), (1..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_too_large_goes_without_its_description_and_its_neighbours_with() {
    let (topic, queue) = topic(false);
    let (large, largest) = ("x".repeat(300_000), "x".repeat(250_000));
    let announced = [
        announcement(1, 1, "a", Some("short")),
        announcement(2, 2, "b", Some(&large)),
        announcement(3, 3, "c", Some(&largest)),
    ];
    assert_eq!(announce_to(&topic).await.announce(&announced).await, vec![Ok(()); 3]);
    let mut messages = Received::from(&queue, 3).messages();
    messages.sort_by_key(|message| message.task);
    let lengths: Vec<_> = messages.iter().map(|one| one.description.as_ref().map(String::len)).collect();
    assert_eq!(lengths, [Some(5), None, Some(250_000)]);
}

#[tokio::test]
async fn a_fifo_topic_delivers_a_repetition_once_and_a_replay_again() {
    let topic = aws().create_topic(&fifo("topic")).unwrap();
    let queue = aws().create_queue(&fifo("behind"), &[]).unwrap();
    aws().subscribe(&topic, &queue, true).unwrap();
    let announce = announce_to(&topic).await;
    let (added, replayed) = (announcement(1, 7, "Sweep", None), announcement(2, 7, "Sweep", None));
    for one in [&added, &added, &replayed] {
        assert_eq!(announce.announce(std::slice::from_ref(one)).await, [Ok(())]);
    }
    let messages = Received::from(&queue, 2).messages();
    let once: Vec<_> = messages.iter().map(|message| message.deduplication_id.as_deref().unwrap()).collect();
    assert_eq!(once, ["7-1", "7-2"]);
    assert!(messages.iter().all(|message| message.group.as_deref() == Some("7")));
}

#[tokio::test]
async fn a_missing_topic_is_named_for_each() {
    let missing = format!("arn:aws:sns:{}:000000000000:{}", aws().region(), Aws::unique("missing"));
    let announced: Vec<_> = (1..=11).map(|id| announcement(id, id, "t", None)).collect();
    let outcomes = announce_to(&missing).await.announce(&announced).await;
    assert_eq!(outcomes.len(), 11);
    for why in outcomes.into_iter().map(|outcome| outcome.unwrap_err()) {
        assert!(why.contains(&missing) && why.contains("does not exist") && why.contains("NotFound"), "{why}");
    }
}
