//! The stand-in itself: that it does what our tests rely on.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use taskwatch_testbed::{Aws, ENV_AWS, ENV_PYTHON, python};

const WAIT: Duration = Duration::from_secs(5);

fn shared() -> &'static Aws {
    Aws::shared().expect("a stand-in")
}

#[test]
fn a_topic_reaches_its_queues_wrapped_and_raw() {
    let aws = shared();
    let topic = aws.create_topic(&Aws::unique("t")).expect("a topic");
    let queue = |name| aws.create_queue(&Aws::unique(name), &[]).expect("a queue");
    let (wrapped, raw) = (queue("wrapped"), queue("raw"));
    aws.subscribe(&topic, &wrapped, false).expect("a subscription");
    aws.subscribe(&topic, &raw, true).expect("a subscription");
    let attribute = "MessageAttributes.entry.1";
    aws.sns(
        "Publish",
        &[
            ("TopicArn", &topic),
            ("Message", "h&é"),
            ("Subject", "S"),
            (&format!("{attribute}.Name"), "color"),
            (&format!("{attribute}.Value.DataType"), "String"),
            (&format!("{attribute}.Value.StringValue"), "red"),
        ],
    )
    .expect("published");

    let messages = aws.receive(&wrapped, 10, WAIT).expect("messages");
    let body: serde_json::Value = serde_json::from_str(messages[0]["Body"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (&body["Type"], &body["Subject"], &body["Message"]),
        (&json!("Notification"), &json!("S"), &json!("h&é"))
    );
    assert_eq!(body["MessageAttributes"]["color"]["Value"], "red");
    assert_eq!(messages[0]["Attributes"]["ApproximateReceiveCount"], "1");

    let messages = aws.receive(&raw, 10, WAIT).expect("messages");
    assert_eq!(messages[0]["Body"], "h&é");
    assert_eq!(messages[0]["MessageAttributes"]["color"]["StringValue"], "red");
}

#[test]
fn what_is_received_too_often_goes_to_the_dead_letters() {
    let aws = shared();
    let dead = aws.create_queue(&Aws::unique("dead"), &[]).expect("a queue");
    let queue =
        aws.create_queue_before(&Aws::unique("live"), &dead, 2, &[("VisibilityTimeout", "0")]).expect("a queue");
    aws.sqs("SendMessage", &json!({ "QueueUrl": queue.url, "MessageBody": "poison" })).expect("sent");
    for _ in 0..2 {
        assert_eq!(aws.receive(&queue, 1, WAIT).expect("messages").len(), 1);
    }
    assert!(aws.receive(&queue, 1, Duration::ZERO).expect("messages").is_empty());
    assert_eq!(aws.receive(&dead, 1, WAIT).expect("messages")[0]["Body"], "poison");
}

#[test]
fn a_fifo_queue_keeps_groups_in_order_and_drops_repetitions() {
    let aws = shared();
    let queue = aws.create_queue(&format!("{}.fifo", Aws::unique("q")), &[]).expect("a queue");
    for (body, once) in [("1", "a"), ("2", "b"), ("2 again", "b"), ("3", "c")] {
        let message = json!({
            "QueueUrl": queue.url, "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": once,
        });
        aws.sqs("SendMessage", &message).expect("sent");
    }
    let bodies: Vec<_> = aws.drain(&queue, 3).expect("messages").into_iter().map(|one| one["Body"].clone()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
    assert!(aws.receive(&queue, 1, Duration::ZERO).expect("messages").is_empty());
}

#[test]
fn a_refusal_is_an_error_with_its_words() {
    let missing = json!({ "QueueUrl": format!("{}/000000000000/missing", shared().endpoint()) });
    let error = shared().sqs("ReceiveMessage", &missing).expect_err("no such queue").to_string();
    assert!(error.starts_with("call ReceiveMessage") && error.contains("QueueDoesNotExist"), "{error}");
    let error =
        shared().sns("Publish", &[("TopicArn", "arn:aws:sns:eu-west-1:000000000000:missing"), ("Message", "m")]);
    let error = error.expect_err("no such topic").to_string();
    assert!(error.contains("404") && error.contains("NotFound"), "{error}");
}

#[test]
fn it_can_be_handed_to_a_child_process() {
    // This very test file, one test, in a process that has no Python to start one of its own with.
    let done = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_topic_reaches_its_queues_wrapped_and_raw", "--nocapture"])
        .env(ENV_AWS, shared().handover())
        .env_remove(ENV_PYTHON)
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[test]
fn the_shared_one_ends_with_its_process() {
    let done = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "tell_the_endpoint", "--ignored", "--nocapture"])
        .env_remove(ENV_AWS)
        .env(ENV_PYTHON, python().expect("a Python"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let (_, endpoint) = said.split_once("endpoint=").unwrap_or_else(|| panic!("{said}"));
    let address = endpoint.split_whitespace().next().and_then(|url| url.strip_prefix("http://")).expect("a URL");
    // The reaper is another process and may take a moment.
    let gone = (0..500).any(|_| {
        let gone = std::net::TcpStream::connect(address).is_err();
        if !gone {
            std::thread::sleep(Duration::from_millis(20));
        }
        gone
    });
    assert!(gone, "{address} still listens");
}

/// The child of the test above.
#[test]
#[ignore = "run by another test"]
#[expect(clippy::print_stdout, reason = "that is how it tells its parent")]
fn tell_the_endpoint() {
    println!("endpoint={} ", shared().endpoint());
}
