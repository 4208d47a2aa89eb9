//! Messages go out as they are, in order where order counts, and it is known which may have gone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use taskwatch_sqs_message::{Attribute, AttributeValue, CallError, Original, Outgoing, SendingQueue};
use taskwatch_sqs_queue::SqsQueues;
use taskwatch_testbed::{Aws, Fault, Front, Queue};

use crate::faulty::{Faulty, QUEUE, healthy};
use crate::scene::{LONG, aws, config, original, queues, received, visible};

const SEND: &str = "SendMessageBatch";

fn queue(end: &str, attributes: &[(&str, &str)]) -> Queue {
    aws().create_queue(&format!("{}{end}", Aws::unique("target")), attributes).unwrap()
}

/// In this group, or in none.
fn outgoing(body: &str, group: &str) -> Outgoing {
    let original = Original {
        message_id: format!("id-of-{}", body.get(..20).unwrap_or(body)),
        body: body.to_owned(),
        attributes: BTreeMap::new(),
        trace_header: None,
        group: Some(group).filter(|group| !group.is_empty()).map(str::to_owned),
    };
    Outgoing { deduplication_id: format!("once-{}", original.message_id), original }
}

/// `a1 a2 b1`: in the groups `a` and `b`.
fn grouped(bodies: &str) -> Vec<Outgoing> {
    bodies.split(' ').map(|body| outgoing(body, &body[..1])).collect()
}

fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

/// The calls break as the front is told.
async fn fronted() -> (Front, SqsQueues) {
    let front = Front::before(aws()).unwrap();
    let queues = SqsQueues::with(&config(&front.endpoint()).await);
    (front, queues)
}

#[tokio::test]
async fn a_message_arrives_to_the_byte_with_its_attributes() {
    let attribute = |data_type: &str, value| Attribute { data_type: data_type.to_owned(), value };
    let text = |data_type: &str, text: &str| attribute(data_type, AttributeValue::Text(text.to_owned()));
    let attributes = [
        ("channel", text("String", "web é")),
        ("weight", text("Number.kilo", "1.50")),
        ("photo", attribute("Binary.jpeg", AttributeValue::Base64("AAEC/w==".to_owned()))),
    ];
    let mut one = outgoing("{\"task_id\": 41, \"title\": \"é\\u0001 \u{10ffff}\"}\n", "");
    one.original.attributes = attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into();
    for end in ["", ".fifo"] {
        let queue = queue(end, &[]);
        // By both of its names.
        for name in [&queue.arn, &queue.url] {
            one.deduplication_id = format!("by {}", name.len()).replace(' ', "-");
            assert_eq!(queues().await.send(name, std::slice::from_ref(&one), LONG).await, [Ok(())]);
        }
        for message in received(&queue, if end.is_empty() { 2 } else { 1 }) {
            let arrived = original(&message);
            assert_eq!((&arrived.body, &arrived.attributes), (&one.original.body, &one.original.attributes));
            assert_ne!(arrived.message_id, one.original.message_id);
        }
    }
}

#[tokio::test]
async fn a_fifo_queue_gets_groups_in_order_and_each_message_once() {
    let queue = queue(".fifo", &[]);
    let mut messages: Vec<_> = (0..25).map(|n| outgoing(&format!("{n:02}"), ["a", "b", "c"][n % 3])).collect();
    messages.push(outgoing("alone", ""));
    let queues = queues().await;
    for _ in 0..2 {
        assert_eq!(queues.send(&queue.arn, &messages, LONG).await, vec![Ok(()); 26]);
    }
    let arrived = aws().drain(&queue, 26).unwrap();
    assert_eq!(arrived.len(), 26);
    assert!(visible(&queue).is_empty(), "each once");
    let of = |group: &str| -> Vec<String> {
        let all = arrived.iter().map(original);
        all.filter(|one| one.group.as_deref() == Some(group)).map(|one| one.body).collect()
    };
    for (n, group) in ["a", "b", "c"].iter().enumerate() {
        assert_eq!(of(group), (n..25).step_by(3).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    }
    assert_eq!(of("id-of-alone"), ["alone"], "a FIFO queue takes nothing without a group");
    let ids: Vec<_> = arrived.iter().map(|one| &one["Attributes"]["MessageDeduplicationId"]).collect();
    assert!(ids.contains(&&json!("once-id-of-07")), "{ids:?}");
}

/// On the wire: the stand-in drops system attributes from batches, and takes what SQS does not.
#[tokio::test]
async fn each_kind_of_queue_is_told_what_it_takes() {
    let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let mut traced = outgoing("traced", "");
    traced.original.trace_header = Some(header.to_owned());
    let messages = [traced, outgoing("fair", "tenant")];
    let server = Faulty::answering(|_, action, request| healthy(action, request)).await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    let fifo = format!("{QUEUE}.fifo");
    for name in [QUEUE, &fifo] {
        assert_eq!(queues.send(name, &messages, LONG).await, [Ok(()), Ok(())]);
    }
    let asked = server.asked(SEND);
    let said = |call: usize, entry: usize, what: &str| asked[call]["Entries"][entry][what].clone();
    for call in 0..2 {
        let expected = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": header } });
        assert_eq!(said(call, 0, "MessageSystemAttributes"), expected);
        assert_eq!(said(call, 1, "MessageSystemAttributes"), Value::Null);
        assert_eq!(said(call, 1, "MessageGroupId"), "tenant");
    }
    assert_eq!((said(0, 0, "MessageGroupId"), said(0, 0, "MessageDeduplicationId")), (Value::Null, Value::Null));
    assert_eq!(said(0, 1, "MessageDeduplicationId"), Value::Null);
    assert_eq!(said(1, 0, "MessageGroupId"), "id-of-traced");
    assert_eq!(said(1, 0, "MessageDeduplicationId"), "once-id-of-traced");
}

#[tokio::test]
async fn one_that_is_too_large_is_refused_in_words_and_the_others_go() {
    let large = "x".repeat(2_000);
    for (most, end) in [("1024", ""), ("1024", ".fifo"), ("1048576", "")] {
        let queue = queue(end, &[("MaximumMessageSize", most)]);
        let large = if most == "1024" { large.clone() } else { "x".repeat(1_048_577) };
        let messages = [outgoing("small", "a"), outgoing(&large, "b"), outgoing("tiny", "c")];
        let outcomes = queues().await.send(&queue.arn, &messages, LONG).await;
        assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
        let Err(CallError::Refused { why, .. }) = &outcomes[1] else { panic!("{outcomes:?}") };
        assert!(why.contains(most), "{why}");
        assert_eq!(received(&queue, 2).len(), 2);
    }
}

#[tokio::test]
async fn in_a_fifo_queue_nothing_overtakes_what_was_refused() {
    let queue = queue(".fifo", &[("MaximumMessageSize", "1024")]);
    let mut messages = grouped("a1 b1 a2 b2 a3 b3");
    messages[2].original.body = "x".repeat(2_000);
    let outcomes = queues().await.send(&queue.arn, &messages, LONG).await;
    assert!(matches!(outcomes[2], Err(CallError::Refused { .. })), "{outcomes:?}");
    let Err(error @ CallError::NotSent { .. }) = &outcomes[4] else { panic!("{outcomes:?}") };
    assert!(error.to_string().contains("another of its group"), "{error}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    let arrived = aws().drain(&queue, 4).unwrap();
    let mut arrived = bodies(&arrived);
    arrived.sort_by_key(|body| body.starts_with('b'));
    assert_eq!(arrived, ["a1", "b1", "b2", "b3"]);
}

/// An answer that mentions a failure which is nobody's fault leaves open what happened.
#[tokio::test]
async fn in_a_fifo_queue_nothing_overtakes_what_may_have_failed_and_no_call_has_two_of_a_group() {
    let server = Faulty::answering(|_, action, request| {
        let (status, mut answer) = healthy(action, request);
        if action == SEND {
            let entries = request["Entries"].as_array().unwrap();
            let fails: Vec<_> = entries.iter().filter(|one| one["MessageBody"] == "a2").map(|one| &one["Id"]).collect();
            answer["Failed"] =
                fails.iter().map(|id| json!({ "Id": id, "Code": "InternalError", "SenderFault": false })).collect();
            answer["Successful"].as_array_mut().unwrap().retain(|one| !fails.contains(&&one["Id"]));
        }
        (status, answer)
    })
    .await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    let outcomes = queues.send(&format!("{QUEUE}.fifo"), &grouped("a1 a2 a3 b1 b2 b3"), LONG).await;
    assert!(matches!(outcomes[1], Err(CallError::Unavailable { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(CallError::NotSent { .. })), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    let calls: Vec<Vec<Value>> = server
        .asked(SEND)
        .iter()
        .map(|call| call["Entries"].as_array().unwrap().iter().map(|one| one["MessageBody"].clone()).collect())
        .collect();
    assert_eq!(calls, [vec!["a1", "b1"], vec!["a2", "b2"], vec!["a2"], vec!["a2"], vec!["b3"]]);
}

#[tokio::test]
async fn a_lost_answer_leaves_open_what_a_refusal_does_not() {
    let (front, queues) = fronted().await;
    let arrived = |queue: &Queue| received(queue, visible_count(queue)).len();
    for end in ["", ".fifo"] {
        // Answer lost, gone before it was made, an error of the service; and how many may be there.
        for (fault, may_be) in [(Fault::Lose, true), (Fault::Cut, false), (Fault::INTERNAL, false)] {
            let queue = queue(end, &[]);
            front.breaks_all(&[SEND], fault);
            let outcomes = queues.send(&queue.url, &grouped("a1 b1 a2"), LONG).await;
            assert!(matches!(outcomes[0], Err(CallError::Unavailable { .. })), "{end} {fault:?}: {outcomes:?}");
            assert!(matches!(outcomes[1], Err(CallError::Unavailable { .. })), "{end} {fault:?}: {outcomes:?}");
            let is_behind = matches!(outcomes[2], Err(CallError::NotSent { .. }));
            assert_eq!(is_behind, end == ".fifo", "{fault:?}: {outcomes:?}");
            assert_eq!(arrived(&queue) > 0, may_be, "{end} {fault:?}");
            front.heals();
            if may_be && end == ".fifo" {
                assert_eq!(queues.send(&queue.url, &grouped("a1 b1 a2"), LONG).await, vec![Ok(()); 3]);
                assert_eq!(stored(&queue), 3, "the repeated ones are dropped");
            }
        }
        for (status, code) in [(403, "AccessDenied"), (400, "ExpiredToken"), (400, "RequestThrottled"), (404, "Odd")] {
            let queue = queue(end, &[]);
            front.breaks_all(&[SEND], Fault::Refuse { status, code });
            for outcome in queues.send(&queue.url, &grouped("a1 b1 a2"), LONG).await {
                let is_behind = outcome.as_ref().is_err_and(|error| error.to_string().contains("of its group"));
                let error = outcome.unwrap_err();
                match (&error, code) {
                    _ if is_behind && end == ".fifo" => {}
                    (CallError::NotAllowed { action, .. }, "AccessDenied") => assert_eq!(action, "sqs:SendMessage"),
                    (CallError::NoCredentials { .. }, "ExpiredToken") => {}
                    (CallError::NotSent { why, .. }, "RequestThrottled" | "Odd") => assert!(why.contains(code)),
                    _ => panic!("{code}: {error:?}"),
                }
            }
            assert_eq!(stored(&queue), 0);
        }
        front.heals();
    }
}

/// The SDK makes the second attempt by itself.
#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_open_whether_it_was_sent() {
    let (front, queues) = fronted().await;
    let queue = queue("", &[]);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    front.breaks(move |asked| {
        let before = (asked.action == SEND).then(|| calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst))?;
        Some(if before == 0 { Fault::Lose } else { Fault::Refuse { status: 403, code: "AccessDenied" } })
    });
    let outcome = queues.send(&queue.url, &grouped("a1"), LONG).await.remove(0);
    let Err(error @ CallError::Unavailable { .. }) = &outcome else { panic!("{outcome:?}") };
    let words = error.to_string();
    assert!(words.contains("may have sent it") && words.contains("sqs:SendMessage"), "{words}");
    assert_eq!((front.calls(SEND).all, stored(&queue)), (2, 1));
}

#[tokio::test]
async fn after_throttling_it_is_sent_once() {
    let (front, queues) = fronted().await;
    let queue = queue("", &[]);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    front.breaks(move |asked| {
        let before = (asked.action == SEND).then(|| calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst))?;
        (before < 2).then_some(Fault::THROTTLED)
    });
    assert_eq!(queues.send(&queue.url, &grouped("a1"), LONG).await, [Ok(())]);
    assert_eq!((front.calls(SEND).all, stored(&queue)), (3, 1));
}

#[tokio::test]
async fn what_never_came_to_a_call_was_not_sent() {
    // Nobody listens.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = SqsQueues::with(&config(&format!("http://127.0.0.1:{port}")).await);
    // One does not know where it is, the other one does.
    for name in [QUEUE, "https://sqs/123456789012/tasks"] {
        for outcome in nobody.send(name, &grouped("a1 b1"), LONG).await {
            assert!(matches!(outcome, Err(CallError::NotSent { .. })), "{outcome:?}");
        }
    }
    // No time.
    let (front, queues) = fronted().await;
    let queue = queue("", &[]);
    for outcome in queues.send(&queue.url, &grouped("a1 b1"), std::time::Duration::ZERO).await {
        assert!(matches!(outcome, Err(CallError::NotSent { .. })), "{outcome:?}");
    }
    assert_eq!(front.calls(SEND).all, 0);
    // Its place is not to be had.
    front.breaks_all(&["GetQueueUrl"], Fault::INTERNAL);
    let outcome = queues.send(&queue.arn, &grouped("a1"), LONG).await.remove(0);
    assert!(matches!(outcome, Err(CallError::NotSent { .. })), "{outcome:?}");
    // It is no more.
    aws().sqs("DeleteQueue", &json!({ "QueueUrl": queue.url })).unwrap();
    let outcome = queues.send(&queue.url, &grouped("a1"), LONG).await.remove(0);
    assert_eq!(outcome, Err(CallError::Gone { queue: queue.url.clone() }));
}

#[tokio::test]
async fn a_caller_without_patience_hears_that_it_may_have_been_sent() {
    let (front, queues) = fronted().await;
    let queue = queue("", &[]);
    front.breaks_all(&[SEND], Fault::Hang);
    let outcome = queues.send(&queue.url, &grouped("a1"), std::time::Duration::from_secs(1)).await.remove(0);
    assert!(matches!(outcome, Err(CallError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn entries_that_are_throttled_are_sent_again_whoever_is_said_to_be_at_fault() {
    let server = Faulty::answering(|before, action, request| {
        let (status, mut answer) = healthy(action, request);
        if action == SEND && before == 0 {
            let first = answer["Successful"].as_array_mut().unwrap().remove(0);
            answer["Failed"] = json!([{ "Id": first["Id"], "Code": "RequestThrottled", "SenderFault": true }]);
        }
        (status, answer)
    })
    .await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    assert_eq!(queues.send(QUEUE, &grouped("a1 b1"), LONG).await, [Ok(()), Ok(())]);
    assert_eq!(server.asked(SEND).len(), 2);
}

fn count(queue: &Queue, name: &str) -> usize {
    let answer = aws().sqs("GetQueueAttributes", &json!({ "QueueUrl": queue.url, "AttributeNames": [name] })).unwrap();
    answer["Attributes"][name].as_str().unwrap().parse().unwrap()
}

fn visible_count(queue: &Queue) -> usize {
    count(queue, "ApproximateNumberOfMessages")
}

/// Hidden or not.
fn stored(queue: &Queue) -> usize {
    visible_count(queue) + count(queue, "ApproximateNumberOfMessagesNotVisible")
}
