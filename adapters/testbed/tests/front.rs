//! The front before the stand-in: which calls are made, and what their callers get to hear.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch_testbed::{Aws, Fault, Front, Queue};

fn shared() -> &'static Aws {
    Aws::shared().expect("a stand-in")
}

/// Sends a message by way of the front: the answer's status and body, if there is one within a second.
fn send(front: &Front, queue: &Queue) -> Result<(u16, Value), ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(1)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent();
    let mut answer = agent
        .post(front.endpoint())
        .header("authorization", "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/sqs/aws4_request")
        .header("x-amz-target", "AmazonSQS.SendMessage")
        .content_type("application/x-amz-json-1.0")
        .send(json!({ "QueueUrl": queue.url, "MessageBody": "x" }).to_string())?;
    let body = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&body).expect("JSON")))
}

#[test]
fn calls_go_through_or_are_broken_as_told() {
    let queue = shared().create_queue(&Aws::unique("front"), &[]).expect("a queue");
    let front = Front::before(shared()).expect("a front");
    let arrived = || shared().receive(&queue, 10, Duration::ZERO).expect("messages").len();

    let (status, answer) = send(&front, &queue).expect("an answer");
    assert_eq!((status, answer["MessageId"].is_string(), arrived()), (200, true, 1));

    front.breaks_all(&["SendMessage"], Fault::THROTTLED);
    let (status, answer) = send(&front, &queue).expect("an answer");
    assert_eq!((status, &answer["__type"]), (400, &json!("com.amazonaws.sqs#RequestThrottled")));
    for (fault, made) in [(Fault::Hang, 0), (Fault::Cut, 0), (Fault::Lose, 1)] {
        assert_eq!(arrived(), 0);
        front.breaks_all(&[], fault);
        send(&front, &queue).expect_err("no answer, or half of one");
        assert_eq!(arrived(), made, "{fault:?}");
    }

    front.breaks_all(&["ReceiveMessage"], Fault::INTERNAL);
    assert_eq!(send(&front, &queue).expect("an answer").0, 200, "another action");
    front.breaks(|asked| (asked.key == "key" && asked.request["MessageBody"] == "x").then_some(Fault::INTERNAL));
    assert_eq!(send(&front, &queue).expect("an answer").0, 500);
    front.heals();
    assert_eq!(send(&front, &queue).expect("an answer").0, 200);
    let calls = front.calls("SendMessage");
    assert_eq!((calls.all, calls.broken, front.all_calls()), (8, 5, calls));

    assert_eq!(arrived(), 2);
    front.answers("SendMessage", json!({ "MessageId": "of the front" }));
    assert_eq!(send(&front, &queue).expect("an answer"), (200, json!({ "MessageId": "of the front" })));
    front.breaks_all(&["SendMessage"], Fault::INTERNAL);
    assert_eq!((send(&front, &queue).expect("an answer").0, arrived()), (500, 0), "what is broken is broken");
}
