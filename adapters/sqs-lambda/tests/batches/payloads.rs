//! Messages that point to S3: fetched before the work begins, in time, some at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::Clock as _;
use taskwatch_core::task::Status::{Completed, Pending};
use taskwatch_core::task::TaskId;
use taskwatch_sqs_lambda::Batches;
use taskwatch_sqs_message::{PayloadError, Payloads, S3Pointer};
use taskwatch_testkit::VirtualClock;

use crate::bench::{Bench, event, in_group, record, record_of, secs};
use crate::queue::Queue;

/// Answers by the key: an id is announced, `refused` and `unavailable` are, `slow 30` takes so many seconds for task 1.
struct Bucket {
    clock: VirtualClock,
    now: AtomicUsize,
    most: AtomicUsize,
    fetched: AtomicUsize,
}

#[async_trait]
impl Payloads for Bucket {
    async fn fetch(&self, S3Pointer { key, .. }: &S3Pointer) -> Result<String, PayloadError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let answer = match key.split_once(' ') {
            Some(("slow", seconds)) => {
                self.clock.sleep(secs(seconds.parse().unwrap())).await;
                Ok(json!({ "task_id": 1 }).to_string())
            }
            _ if key == "refused" => Err(PayloadError::Refused("there is no such object".to_owned())),
            _ if key == "unavailable" => Err(PayloadError::Unavailable("S3 asks to try again".to_owned())),
            _ => Ok(json!({ "task_id": key }).to_string()),
        };
        self.now.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

fn fetching(bench: &Bench) -> (Batches, Arc<Bucket>) {
    let count = AtomicUsize::default;
    let bucket = Arc::new(Bucket { clock: bench.clock.clone(), now: count(), most: count(), fetched: count() });
    (bench.batches().with_payloads(Arc::<Bucket>::clone(&bucket)), bucket)
}

/// A message that says where its announcement is.
fn pointing(id: &str, key: &str) -> Value {
    let target = json!({ "s3BucketName": "payloads", "s3Key": key });
    record_of(id, &json!(["software.amazon.payloadoffloading.PayloadS3Pointer", target]).to_string())
}

fn pointing_to(id: &str, task: TaskId) -> Value {
    pointing(id, &task.to_string())
}

#[test]
fn what_a_pointer_leads_to_is_worked_and_others_are_not_fetched() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "fine"]);
    let (batches, bucket) = fetching(&bench);
    let batch = event([record("a", one), pointing_to("b", two), record_of("poison", "{")]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["poison".to_owned()]));
    assert_eq!((bench.statuses(), bucket.fetched.load(Ordering::Relaxed)), (vec![Completed, Completed], 1));
    bench.audit();
}

#[test]
fn without_anybody_to_fetch_it_the_reason_names_the_setting() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let batches = bench.batches().with_dead_letters(Arc::<Queue>::clone(&queue));
    assert_eq!(bench.work_on(&batches, &event([pointing("a", "k")]), secs(300)), Ok(vec![]));
    assert!(queue.letters()[0].reason.contains("queue.payload_buckets"), "{:?}", queue.letters());
}

#[test]
fn what_is_refused_is_a_dead_letter_and_what_is_withheld_comes_again() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let (batches, _) = fetching(&bench);
    let batches = batches.with_dead_letters(Arc::<Queue>::clone(&queue)).with_visibility(Arc::<Queue>::clone(&queue));
    let batch = event([pointing("gone", "refused"), pointing("later", "unavailable")]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["later".to_owned()]));
    assert_eq!(bench.count(Metric::MessagesRejected), 1);
    let letters = queue.letters();
    assert!(letters.len() == 1 && letters[0].reason.contains("there is no such object"), "{letters:?}");
    assert_eq!(queue.hidden(), [], "an outage of S3 must not use up receives");
}

#[test]
fn nothing_of_a_group_overtakes_one_that_is_withheld() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [after, other] = bench.add(["fine", "fine"]);
    let (batches, _) = fetching(&bench);
    let batches = batches.with_visibility(Arc::<Queue>::clone(&queue));
    let batch = event([
        in_group("a", pointing("later", "unavailable")),
        in_group("a", pointing_to("after", after)),
        in_group("b", pointing_to("other", other)),
    ]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["later".to_owned(), "after".to_owned()]));
    assert_eq!((bench.statuses(), queue.asked()), (vec![Pending, Completed], vec![]));
}

#[test]
fn fetching_ends_in_time_for_the_work_of_the_others() {
    let bench = Bench::new();
    let [_, fine] = bench.add(["fine", "fine"]);
    let (batches, _) = fetching(&bench);
    let batch = event([pointing("slow", "slow 100"), record("fine", fine), pointing("quick", "slow 5")]);
    // 60 s less 10 of margin: 25 for fetching.
    assert_eq!(bench.work_on(&batches, &batch, secs(60)), Ok(vec!["slow".to_owned()]));
    assert_eq!((bench.statuses(), bench.elapsed()), (vec![Completed, Completed], secs(25)));
    assert_eq!(bench.count(Metric::MessagesRejected), 0);
}

#[test]
fn some_are_fetched_at_once_and_not_all() {
    let bench = Bench::new();
    let [_] = bench.add(["fine"]);
    let (batches, bucket) = fetching(&bench);
    let batch = event((0..30).map(|n| pointing(&format!("m{n}"), "slow 1")));
    // All announce one task, which some find in work.
    bench.work_on(&batches, &batch, secs(300)).expect("it answers");
    assert_eq!((bucket.most.load(Ordering::Relaxed), bench.elapsed()), (8, secs(4)));
}
