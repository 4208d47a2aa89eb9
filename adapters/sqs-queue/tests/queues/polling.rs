//! Messages are received with all that belongs to them, and deleted.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_sqs_message::{AttributeValue, CallError, Poll, PolledQueue};
use taskwatch_sqs_queue::{POLL_SLACK, SqsQueues};
use taskwatch_testbed::Aws;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::faulty::{Faulty, QUEUE, healthy, ids, refusal};
use crate::scene::{LONG, aws, config, handle, original, pair, queues, received, send, visible};

const RECEIVE: &str = "ReceiveMessage";
const DELETE: &str = "DeleteMessageBatch";

fn poll(max: usize, wait: u64) -> Poll {
    Poll { max, wait: Duration::from_secs(wait), hidden_for: Duration::from_secs(60) }
}

#[tokio::test]
async fn a_message_comes_with_all_that_it_takes_to_send_it_on() {
    let (queue, _) = pair(".fifo");
    let more = json!({
        "MessageGroupId": "garden", "MessageDeduplicationId": "1",
        "MessageAttributes": {
            "channel": { "DataType": "String", "StringValue": "web" },
            "weight": { "DataType": "Number.kilo", "StringValue": "1.50" },
            "photo": { "DataType": "Binary.jpeg", "BinaryValue": "MTEwMA==" },
        },
    });
    send(&queue, " {\"task_id\": 41}\n", more);
    let queues = queues().await;
    let ours = queues.receive(&queue.arn, poll(10, 5)).await.unwrap().remove(0);
    let text: Vec<_> = ours.record.message_attributes.iter().collect();
    assert_eq!(text, [(&"channel".to_owned(), &"web".to_owned()), (&"weight".to_owned(), &"1.50".to_owned())]);
    assert_eq!(ours.attributes["photo"].value, AttributeValue::Base64("MTEwMA==".to_owned()));
    assert_eq!((ours.record.receive_count(), ours.record.ordered_group(&queue.url)), (1, Some("garden".to_owned())));
    assert!(ours.record.sent_at().is_some());
    let shown = format!("{ours:?}");
    assert!(!shown.contains("41") && !shown.contains("web"), "{shown}");
    // The same that is made of the JSON of others.
    let handle = ours.record.receipt_handle.clone().unwrap();
    let hide = taskwatch_sqs_message::Hide { receipt_handle: handle, hidden_for: Duration::ZERO, held: Duration::ZERO };
    taskwatch_sqs_message::QueueCalls::hide(&queues, &queue.arn, &[hide], LONG).await.remove(0).unwrap();
    assert_eq!(ours.original(), Some(original(&visible(&queue)[0])));
}

#[tokio::test]
async fn a_poll_hides_what_it_brings_and_brings_no_more_than_asked_for() {
    let (queue, _) = pair("");
    (0..3).for_each(|n| send(&queue, &n.to_string(), json!({})));
    let queues = queues().await;
    let short = Poll { hidden_for: Duration::from_secs(1), ..poll(2, 0) };
    assert_eq!(queues.receive(&queue.url, short).await.unwrap().len(), 2);
    assert_eq!(queues.receive(&queue.url, poll(100, 0)).await.unwrap().len(), 1);
    assert_eq!(queues.receive(&queue.url, poll(100, 0)).await.unwrap(), []);
    let mut again = 0;
    while again < 2 {
        again += queues.receive(&queue.url, poll(10, 5)).await.unwrap().len();
    }
}

#[tokio::test]
async fn a_long_poll_outlives_the_bounds_of_short_calls() {
    let (queue, _) = pair("");
    let begun = Instant::now();
    assert_eq!(queues().await.receive(&queue.arn, poll(10, 6)).await.unwrap(), []);
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn more_messages_than_one_call_takes_are_deleted_and_a_stranger_is_refused() {
    let (queue, _) = pair("");
    (0..23).for_each(|n| send(&queue, &n.to_string(), json!({})));
    let messages = received(&queue, 23);
    let mut handles: Vec<String> = messages.iter().map(handle).collect();
    handles.insert(11, "none".to_owned());
    let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
    let mut outcomes = queues().await.delete(&queue.arn, &handles, LONG).await;
    let stranger = outcomes.remove(11);
    assert!(matches!(stranger, Ok(()) | Err(CallError::Refused { .. })), "{stranger:?}");
    assert_eq!(outcomes, vec![Ok(()); 23]);
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let left = aws().sqs("GetQueueAttributes", &json!({ "QueueUrl": queue.url, "AttributeNames": names })).unwrap();
    assert!(names.iter().all(|name| left["Attributes"][name] == "0"), "{left}");
}

#[tokio::test]
async fn entries_that_failed_through_no_fault_of_ours_are_deleted_again_and_no_others() {
    let server = Faulty::answering(|before, action, request| {
        let (status, mut answer) = healthy(action, request);
        if action == DELETE && before == 0 {
            let failed = json!([{ "Id": "1", "Code": "InternalError", "SenderFault": false }]);
            answer["Successful"].as_array_mut().unwrap().retain(|one| one["Id"] != "1");
            answer["Failed"] = failed;
        }
        (status, answer)
    })
    .await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    assert_eq!(queues.delete(QUEUE, &["a", "b", "c"], LONG).await, vec![Ok(()); 3]);
    let asked: Vec<Vec<String>> = server.asked(DELETE).iter().map(ids).collect();
    assert_eq!(asked, [vec!["0", "1", "2"], vec!["1"]]);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_poll_is_told_and_throttling_is_waited_for() {
    let one = |words: &'static str, code: &'static str| {
        Faulty::answering(move |_, action, request| match action {
            RECEIVE => refusal(400, code, words),
            _ => healthy(action, request),
        })
    };
    let server = one("no identity-based policy allows it", "AccessDeniedException").await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    let error = queues.receive(QUEUE, poll(10, 0)).await.unwrap_err();
    assert!(matches!(&error, CallError::NotAllowed { action, .. } if action == "sqs:ReceiveMessage"), "{error}");

    let server = Faulty::answering(|before, action, request| match action {
        RECEIVE if before == 0 => refusal(400, "RequestThrottled", "slow down"),
        RECEIVE => (200, json!({ "Messages": [{ "MessageId": "m", "ReceiptHandle": "r", "Body": "b" }] })),
        _ => healthy(action, request),
    })
    .await;
    let queues = SqsQueues::with(&config(&server.endpoint).await);
    let received = queues.receive(QUEUE, poll(10, 0)).await.unwrap();
    assert_eq!((received.len(), server.asked(RECEIVE).len()), (1, 2));
    let asked: &Value = &server.asked(RECEIVE)[0];
    assert_eq!(asked["MaxNumberOfMessages"], 10);
    assert_eq!(asked["VisibilityTimeout"], 60);
    assert_eq!(asked["MessageSystemAttributeNames"], json!(["All"]));
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_wait_and_some_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let queues = SqsQueues::with(&config(&endpoint).await);
    tokio::time::pause();
    let begun = Instant::now();
    let error = queues.receive("http://127.0.0.1/q", poll(10, 20)).await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable { why, .. } if why.contains("in time")), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 20 + POLL_SLACK.as_secs());
    drop(silent);
}

#[tokio::test]
async fn a_queue_that_is_gone_is_found_again_once_it_is_back() {
    let name = Aws::unique("tasks");
    let queue = aws().create_queue(&name, &[]).unwrap();
    let queues = queues().await;
    assert_eq!(queues.receive(&queue.arn, poll(10, 0)).await.unwrap(), []);
    aws().sqs("DeleteQueue", &json!({ "QueueUrl": queue.url })).unwrap();
    for _ in 0..2 {
        let gone = CallError::Gone { queue: queue.arn.clone() };
        assert_eq!(queues.receive(&queue.arn, poll(10, 0)).await.unwrap_err(), gone);
    }
    aws().create_queue(&name, &[]).unwrap();
    send(&queue, "x", json!({}));
    assert_eq!(queues.receive(&queue.arn, poll(10, 5)).await.unwrap().len(), 1);
}
