//! Messages come again when they are told to.

use std::time::Duration;

use serde_json::json;
use taskwatch_sqs_message::{CallError, Hide, QueueCalls};
use taskwatch_testbed::Aws;

use crate::scene::{LONG, aws, handle, hide, pair, queues, received, send, visible};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn more_messages_than_one_call_takes_come_again_at_once() {
    let (queue, _) = pair("");
    (0..23).for_each(|n| send(&queue, &n.to_string(), json!({})));
    let messages = received(&queue, 23);
    assert!(visible(&queue).is_empty(), "all are in flight");
    let hides: Vec<_> = messages.iter().map(|message| hide(message, Duration::ZERO)).collect();
    assert_eq!(queues().await.hide(&queue.arn, &hides, LONG).await, vec![Ok(()); 23]);
    assert_eq!(received(&queue, 23).len(), 23);
}

#[tokio::test]
async fn a_handle_that_is_none_is_refused_and_its_neighbours_are_not() {
    let (queue, _) = pair("");
    (0..2).for_each(|n| send(&queue, &n.to_string(), json!({})));
    let messages = received(&queue, 2);
    let stranger = Hide { receipt_handle: "none".to_owned(), hidden_for: HOUR, held: Duration::ZERO };
    let hides = [hide(&messages[0], Duration::ZERO), stranger, hide(&messages[1], HOUR)];
    // By its URL this time.
    let outcomes = queues().await.hide(&queue.url, &hides, LONG).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    let Err(CallError::Refused { why, .. }) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(why.contains("ReceiptHandleIsInvalid"), "{why}");
    let again = visible(&queue);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["Body"], messages[0]["Body"]);
}

#[tokio::test]
async fn a_fraction_of_a_second_is_a_whole_one() {
    let (queue, _) = pair("");
    send(&queue, "x", json!({}));
    let hides = [hide(&received(&queue, 1)[0], Duration::from_millis(1))];
    assert_eq!(queues().await.hide(&queue.arn, &hides, LONG).await, [Ok(())]);
    assert!(visible(&queue).is_empty(), "zero would have made it visible");
    assert_eq!(aws().receive(&queue, 1, Duration::from_secs(10)).unwrap().len(), 1);
}

/// What the Lambda adapter leans on: whoever is behind in a group may be told to come at once.
#[tokio::test]
async fn in_a_fifo_queue_one_that_is_hidden_keeps_its_group_back() {
    let (queue, _) = pair(".fifo");
    for n in ["a1", "a2", "b1"] {
        send(&queue, n, json!({ "MessageGroupId": n[..1], "MessageDeduplicationId": n }));
    }
    let messages = received(&queue, 3);
    let of = |body: &str| messages.iter().find(|message| message["Body"] == body).unwrap();
    let queues = queues().await;
    // The first is told to wait, the one behind it to come at once: neither comes.
    let hides = [hide(of("a2"), Duration::ZERO), hide(of("a1"), HOUR), hide(of("b1"), Duration::ZERO)];
    assert_eq!(queues.hide(&queue.arn, &hides, LONG).await, vec![Ok(()); 3]);
    let bodies = |messages: Vec<serde_json::Value>| -> Vec<String> {
        messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies(visible(&queue)), ["b1"]);
    // Once the first may come, both do, in order.
    let hides = [hide(of("a1"), Duration::ZERO)];
    assert_eq!(queues.hide(&queue.arn, &hides, LONG).await, [Ok(())]);
    assert_eq!(bodies(visible(&queue)), ["a1", "a2"]);
}

#[tokio::test]
async fn a_queue_that_is_gone_is_named_and_found_again_once_it_is_back() {
    let name = Aws::unique("tasks");
    let queue = aws().create_queue(&name, &[]).unwrap();
    send(&queue, "x", json!({}));
    let queues = queues().await;
    let hides = [hide(&received(&queue, 1)[0], HOUR)];
    assert_eq!(queues.hide(&queue.arn, &hides, LONG).await, [Ok(())]);
    aws().sqs("DeleteQueue", &json!({ "QueueUrl": queue.url })).unwrap();
    for _ in 0..2 {
        // The first time by the URL it had, the second time when that is looked for.
        let gone = Err(CallError::Gone { queue: queue.arn.clone() });
        assert_eq!(queues.hide(&queue.arn, &hides, LONG).await, [gone]);
    }
    aws().create_queue(&name, &[]).unwrap();
    send(&queue, "y", json!({}));
    let message = received(&queue, 1).remove(0);
    assert!(!handle(&message).is_empty());
    assert_eq!(queues.hide(&queue.arn, &[hide(&message, Duration::ZERO)], LONG).await, [Ok(())]);
    assert_eq!(visible(&queue).len(), 1);
}

#[tokio::test]
async fn nothing_to_ask_asks_nobody() {
    let queues = taskwatch_sqs_queue::SqsQueues::with(&crate::scene::config("http://127.0.0.1:9").await);
    assert_eq!(queues.hide("arn:aws:sqs:eu-west-1:000000000000:q", &[], LONG).await, []);
    assert_eq!(queues.send_dead("arn:aws:sqs:eu-west-1:000000000000:q", &[], LONG).await, []);
    assert!(format!("{queues:?}").contains("is_connected: false"), "{queues:?}");
}
