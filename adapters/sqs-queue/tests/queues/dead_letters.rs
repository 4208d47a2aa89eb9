//! Dead letters arrive whole, with their reason, where the redrive policy says.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_sqs_message::{CallError, Original, QueueCalls};
use taskwatch_testbed::Aws;

use crate::scene::{LONG, aws, dead_letter, dead_letter_of, original, pair, queues, received, send, visible};

/// An attribute of a message as the stand-in delivers it.
fn said<'a>(message: &'a Value, name: &str) -> &'a str {
    message["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_else(|| panic!("{name}: {message}"))
}

#[tokio::test]
async fn the_message_arrives_as_it_was_with_the_reason_beside_it() {
    let (queue, dead) = pair("");
    let body = "{\"task_id\": 41, \"title\": \"é\\u0001 \u{10ffff}\"}\n";
    send(
        &queue,
        body,
        json!({
            "MessageAttributes": {
                "channel": { "DataType": "String", "StringValue": "web" },
                "weight": { "DataType": "Number.kilo", "StringValue": "1.50" },
                "photo": { "DataType": "Binary", "BinaryValue": "AAEC/w==" },
            },
        }),
    );
    let message = received(&queue, 1).remove(0);
    let queues = queues().await;
    assert_eq!(queues.send_dead(&queue.arn, &[dead_letter(&message)], LONG).await, [Ok(())]);

    let arrived = received(&dead, 1).remove(0);
    assert_eq!(said(&arrived, "TaskwatchReason"), "failed for good: never");
    assert_eq!(said(&arrived, "TaskwatchTask"), "41");
    assert_eq!(arrived["MessageAttributes"]["TaskwatchTask"]["DataType"], "Number");
    assert_eq!(said(&arrived, "TaskwatchSourceQueue"), queue.arn);
    assert_eq!(said(&arrived, "TaskwatchMessageId"), message["MessageId"].as_str().unwrap());
    assert_eq!(said(&arrived, "TaskwatchAt"), "2025-11-20T10:11:12.345678Z");

    let (before, mut after) = (original(&message), original(&arrived));
    after.attributes.retain(|name, _| !name.starts_with("Taskwatch"));
    assert_eq!(after.attributes, before.attributes);
    assert_eq!((after.attributes.len(), &after.body, &after.group), (3, &before.body, &None));
    assert_eq!(after.body, body);
    assert!(visible(&queue).is_empty(), "it is not deleted where it was, and not shown either");
}

#[tokio::test]
async fn a_letter_that_died_twice_says_the_second_reason() {
    let (queue, dead) = pair("");
    send(&queue, "x", json!({}));
    let queues = queues().await;
    let mut letter = dead_letter(&received(&queue, 1)[0]);
    assert_eq!(queues.send_dead(&queue.arn, std::slice::from_ref(&letter), LONG).await, [Ok(())]);
    // Somebody moves it back, and it fails again.
    letter = dead_letter(&received(&dead, 1)[0]);
    letter.reason = "the other reason".to_owned();
    assert_eq!(queues.send_dead(&queue.arn, &[letter], LONG).await, [Ok(())]);
    let arrived = received(&dead, 1).remove(0);
    assert_eq!(said(&arrived, "TaskwatchReason"), "the other reason");
    assert_eq!(arrived["MessageAttributes"].as_object().unwrap().len(), 5);
}

#[tokio::test]
async fn in_a_fifo_queue_a_letter_keeps_its_group_and_a_repetition_is_dropped() {
    let (queue, dead) = pair(".fifo");
    for n in ["a1", "a2", "b1"] {
        send(&queue, n, json!({ "MessageGroupId": n[..1], "MessageDeduplicationId": n }));
    }
    let messages = received(&queue, 3);
    let letters: Vec<_> = messages.iter().map(dead_letter).collect();
    let queues = queues().await;
    // The answer to the first may have been lost.
    for _ in 0..2 {
        assert_eq!(queues.send_dead(&queue.arn, &letters, LONG).await, vec![Ok(()); 3]);
    }
    let arrived = received(&dead, 3);
    assert!(visible(&dead).is_empty(), "each once");
    for (before, after) in messages.iter().zip(&arrived) {
        assert_eq!((&before["Body"], original(before).group), (&after["Body"], original(after).group), "in order");
        let once = after["Attributes"]["MessageDeduplicationId"].as_str().unwrap();
        assert_eq!(once, format!("taskwatch-{}", before["MessageId"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn more_letters_than_one_call_takes_all_arrive() {
    let (queue, dead) = pair("");
    let large = "x".repeat(100_000);
    (0..13).for_each(|n| send(&queue, &format!("{n} {large}"), json!({})));
    let letters: Vec<_> = received(&queue, 13).iter().map(dead_letter).collect();
    assert_eq!(queues().await.send_dead(&queue.arn, &letters, LONG).await, vec![Ok(()); 13]);
    let mut bodies: Vec<String> = received(&dead, 13).iter().map(|one| original(one).body).collect();
    let mut sent: Vec<String> = letters.into_iter().map(|letter| letter.original.body).collect();
    bodies.sort_unstable();
    sent.sort_unstable();
    assert!(bodies == sent);
}

#[tokio::test]
async fn a_queue_without_a_redrive_policy_says_so() {
    let queue = aws().create_queue(&Aws::unique("tasks"), &[]).unwrap();
    send(&queue, "x", json!({}));
    let letters = [dead_letter(&received(&queue, 1)[0])];
    let outcome = queues().await.send_dead(&queue.arn, &letters, LONG).await.remove(0);
    assert_eq!(outcome, Err(CallError::NoDeadLetters { queue: queue.arn.clone() }));
    assert!(outcome.unwrap_err().to_string().contains("no redrive policy"));
}

#[tokio::test]
async fn what_is_too_large_for_the_dead_letter_queue_says_so_and_its_neighbours_arrive() {
    let dead = aws().create_queue(&Aws::unique("dead"), &[("MaximumMessageSize", "1024")]).unwrap();
    let queue = aws().create_queue_before(&Aws::unique("tasks"), &dead, 100, &[]).unwrap();
    let letter = |body: String| {
        let id = format!("m{}", body.len());
        dead_letter_of(Original {
            message_id: id,
            body,
            attributes: Default::default(),
            trace_header: None,
            group: None,
        })
    };
    let letters = [letter("small".to_owned()), letter("x".repeat(2_000)), letter("tiny".to_owned())];
    let outcomes = queues().await.send_dead(&queue.arn, &letters, LONG).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert_eq!(outcomes[1], Err(CallError::TooLarge { bytes: 2_000, most: 1_024, queue: dead.arn.clone() }));
    assert_eq!(received(&dead, 2).len(), 2);
    let huge = [letter("x".repeat(1_048_577))];
    let outcome = queues().await.send_dead(&queue.arn, &huge, LONG).await.remove(0);
    assert!(matches!(outcome, Err(CallError::TooLarge { most: 1_048_576, .. })), "{outcome:?}");
}

#[tokio::test]
async fn another_dead_letter_queue_is_found_once_the_first_is_gone() {
    let (queue, dead) = pair("");
    send(&queue, "x", json!({}));
    let letters = [dead_letter(&received(&queue, 1)[0])];
    let queues = queues().await;
    assert_eq!(queues.send_dead(&queue.arn, &letters, LONG).await, [Ok(())]);
    aws().sqs("DeleteQueue", &json!({ "QueueUrl": dead.url })).unwrap();
    let other = aws().create_queue(&Aws::unique("other"), &[]).unwrap();
    let policy = json!({ "deadLetterTargetArn": other.arn, "maxReceiveCount": 100 }).to_string();
    let request = json!({ "QueueUrl": queue.url, "Attributes": { "RedrivePolicy": policy } });
    aws().sqs("SetQueueAttributes", &request).unwrap();
    // The first letter finds that out.
    let gone = Err(CallError::Gone { queue: dead.arn.clone() });
    assert_eq!(queues.send_dead(&queue.arn, &letters, LONG).await, [gone]);
    assert_eq!(queues.send_dead(&queue.arn, &letters, LONG).await, [Ok(())]);
    assert_eq!(aws().receive(&other, 10, Duration::from_secs(5)).unwrap().len(), 1);
}
