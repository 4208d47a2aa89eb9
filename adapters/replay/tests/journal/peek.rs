//! A look at a queue leaves it as it was: on a queue made up, and on those of a stand-in for AWS.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::{Value, json};
use taskwatch_core::ports::Clock;
use taskwatch_core::stop::Stop;
use taskwatch_replay::Peek;
use taskwatch_replay::journal::{Capture, Captured, End, Journal, Source, State};
use taskwatch_sqs_message::{Poll, PolledQueue as _};
use taskwatch_sqs_queue::SqsQueues;
use taskwatch_testbed::{Aws, Queue};

use crate::child::Wall;
use crate::fake::{ARN, At, Fake, NOW, Time, all, body, journal, open};

const HOUR: Duration = Duration::from_secs(3600);
const WITHIN: Duration = Duration::from_secs(10);

fn how() -> Capture {
    let wait = Duration::from_secs(1);
    Capture { hidden_for: HOUR, wait, receivers: 2, empty_polls: 2, ..Capture::default() }
}

async fn look(journal: &Journal, peek: &Peek<'_>, clock: &dyn Clock) -> Captured {
    journal.capture(&how(), peek, clock, &Stop::never(), &|_| {}).await.unwrap()
}

#[tokio::test]
async fn what_was_looked_at_is_in_the_journal_and_on_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(57), Time::new());
    let queue = At(&fake, &time);
    let peek = Peek::of(&queue);
    let done = look(&journal, &peek, &time).await;
    assert_eq!((done.new, done.again, done.undeleted, done.end), (57, 0, 0, End::Drained));
    assert!(all(&journal).await.iter().all(|entry| entry.state == State::Kept));
    assert_eq!((fake.len(), fake.visible(&time), peek.held()), (57, 0, 57));
    assert_eq!(peek.give_back(WITHIN).await, 0);
    assert_eq!((fake.len(), fake.visible(&time), peek.held()), (57, 57, 0));
}

#[tokio::test]
async fn what_could_not_be_given_back_is_counted_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, fake, time) = (journal(folder.path()).await, Fake::with(30), Time::new());
    let queue = At(&fake, &time);
    let peek = Peek::of(&queue);
    look(&journal, &peek, &time).await;
    fake.unhidable.store(7, Ordering::SeqCst);
    assert_eq!(peek.give_back(WITHIN).await, 7);
    assert_eq!((fake.len(), fake.visible(&time)), (30, 23));
    assert_eq!(peek.give_back(WITHIN).await, 0);
    assert_eq!(fake.visible(&time), 30);
}

#[tokio::test]
async fn what_came_twice_is_given_back_by_its_newest_handle_and_kept_once() {
    let (fake, time) = (Fake::with(3), Time::new());
    let queue = At(&fake, &time);
    let peek = Peek::of(&queue);
    let poll = Poll { max: 10, wait: Duration::ZERO, hidden_for: HOUR };
    for _ in 0..3 {
        assert_eq!(peek.receive(ARN, poll).await.unwrap().len(), 3);
        time.pass(HOUR);
    }
    assert_eq!(peek.receive(ARN, Poll { max: 1, ..poll }).await.unwrap().len(), 1);
    assert_eq!(peek.held(), 3);
    assert_eq!(peek.give_back(WITHIN).await, 0);
    assert_eq!((fake.len(), fake.visible(&time)), (3, 3));
}

fn aws() -> &'static Aws {
    Aws::shared().unwrap_or_else(|error| panic!("failed to {error}"))
}

async fn queues() -> SqsQueues {
    let keys = Credentials::new("test", "test", None, None, "test");
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(aws().region()))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(aws().endpoint());
    SqsQueues::with(&config.load().await)
}

/// `a00 b01 c02 a03`: in the groups `a`, `b` and `c`, if there are any.
fn filled(end: &str, count: usize) -> (Queue, Vec<String>) {
    let queue = aws().create_queue(&format!("{}{end}", Aws::unique("dead")), &[]).unwrap();
    let bodies: Vec<_> = (0..count).map(|n| format!("{}{n:02}", ["a", "b", "c"][n % 3])).collect();
    for body in &bodies {
        let mut request = json!({ "QueueUrl": queue.url, "MessageBody": body });
        if !end.is_empty() {
            request["MessageGroupId"] = json!(body[..1]);
            request["MessageDeduplicationId"] = json!(body);
        }
        aws().sqs("SendMessage", &request).unwrap();
    }
    (queue, bodies)
}

async fn journal_of(queue: &Queue, folder: &Path) -> Journal {
    open(&folder.join("j"), &Source::Queue(queue.arn.clone()), NOW).await.unwrap()
}

/// What is on it is received and deleted in this order.
fn drained(queue: &Queue, count: usize) -> Vec<String> {
    let text = |message: &Value| message["Body"].as_str().unwrap().to_owned();
    aws().drain(queue, count).unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_standard_queue_is_seen_whole_and_left_whole() {
    let (folder, queues) = (tempfile::tempdir().unwrap(), queues().await);
    let (queue, bodies) = filled("", 23);
    let (journal, peek) = (journal_of(&queue, folder.path()).await, Peek::of(&queues));
    assert_eq!(look(&journal, &peek, &Wall).await.new, 23);
    let seen: BTreeSet<_> = all(&journal).await.iter().map(body).collect();
    assert_eq!(seen, bodies.iter().cloned().collect());
    assert_eq!(aws().receive(&queue, 10, Duration::ZERO).unwrap(), [] as [Value; 0], "hidden meanwhile");
    assert_eq!((peek.held(), peek.give_back(WITHIN).await), (23, 0));
    let left: BTreeSet<_> = drained(&queue, 23).into_iter().collect();
    assert_eq!(left, seen);
}

#[tokio::test]
async fn what_is_no_longer_there_is_not_missed() {
    let queues = queues().await;
    let (queue, _) = filled("", 3);
    let peek = Peek::of(&queues);
    let batch = peek.receive(&queue.arn, Poll { max: 10, wait: WITHIN, hidden_for: HOUR }).await.unwrap();
    let gone = batch[1].record.receipt_handle.as_deref().unwrap();
    assert_eq!(queues.delete(&queue.arn, &[gone], WITHIN).await, [Ok(())], "by somebody else");
    assert_eq!((batch.len(), peek.give_back(WITHIN).await, peek.held()), (3, 0, 0));
    assert_eq!(drained(&queue, 2).len(), 2);
}

#[tokio::test]
async fn a_fifo_queue_is_seen_as_far_as_it_lets_and_keeps_its_order() {
    let (folder, queues) = (tempfile::tempdir().unwrap(), queues().await);
    let (queue, bodies) = filled(".fifo", 23);
    let (journal, peek) = (journal_of(&queue, folder.path()).await, Peek::of(&queues));
    assert_eq!(look(&journal, &peek, &Wall).await.new, 10, "all groups are held up by the first ten");
    let seen: Vec<_> = all(&journal).await.iter().map(body).collect();
    assert_eq!(seen, bodies[..10]);
    assert_eq!((peek.held(), peek.give_back(WITHIN).await), (10, 0));
    let left = drained(&queue, 23);
    for group in ["a", "b", "c"] {
        let of = |all: &[String]| all.iter().filter(|one| one.starts_with(group)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&left), of(&bodies));
    }
    assert_eq!(left.len(), 23);
}

/// All the way: captured, put back through the port, and captured anew.
#[tokio::test]
async fn what_is_abandoned_is_back_on_the_real_queue_in_its_order() {
    for end in ["", ".fifo"] {
        let (folder, queues) = (tempfile::tempdir().unwrap(), queues().await);
        let (queue, bodies) = filled(end, 23);
        let journal = journal_of(&queue, folder.path()).await;
        let stop = Stop::never();
        journal.capture(&how(), &queues, &Wall, &stop, &|_| {}).await.unwrap();
        let done = journal.abandon(&queues, &Wall, &stop, WITHIN, &|_| {}).await.unwrap();
        assert!(done.is_complete && done.sent == 23, "{done:?}");
        let left = aws().drain(&queue, 23).unwrap();
        let name = |message: &Value| message["MessageAttributes"]["TaskwatchEntry"]["StringValue"].clone();
        let names: BTreeSet<String> = left.iter().map(|message| name(message).to_string()).collect();
        assert_eq!(names.len(), 23, "each under its own name");
        let left: Vec<_> = left.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
        for group in ["a", "b", "c"] {
            let of = |all: &[String]| all.iter().filter(|one| one.starts_with(group)).cloned().collect::<Vec<_>>();
            let mut back = of(&left);
            if end.is_empty() {
                back.sort();
            }
            assert_eq!(back, of(&bodies), "{end}");
        }
    }
}
