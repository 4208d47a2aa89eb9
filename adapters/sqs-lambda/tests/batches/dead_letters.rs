//! Dead letters are sent with their reason, and acknowledged once they have been.

use std::sync::Arc;

use serde_json::json;
use taskwatch_core::task::Status::{Failed, Pending};
use taskwatch_sqs_lambda::{Batches, Report};
use taskwatch_sqs_message::{AttributeValue, CallError};

use crate::bench::{Bench, START, event, in_group, received, record, record_of, secs};
use crate::queue::{Asked, Queue};

fn sending(bench: &Bench, queue: &Arc<Queue>) -> Batches {
    bench.batches().with_dead_letters(Arc::<Queue>::clone(queue))
}

fn refusal() -> CallError {
    CallError::Refused { queue: "dead".to_owned(), why: "as asked".to_owned() }
}

#[test]
fn each_dead_letter_is_sent_whole_with_its_reason_and_not_kept() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [fine, hopeless] = bench.add(["fine", "hopeless"]);
    let mut poison = record_of("poison", "what is\nthis? \u{1}");
    poison["messageAttributes"] = json!({
        "channel": { "stringValue": "web", "dataType": "String" },
        "photo": { "binaryValue": "MTEwMA==", "dataType": "Binary" },
    });
    poison["attributes"]["AWSTraceHeader"] = json!("Root=1-5759e988-bd862e3fe1be46a994272793");
    let nobody = received(4, record("nobody", 4711.try_into().unwrap()));
    let batch = event([record("fine", fine), record("dead", hopeless), poison, nobody]);
    assert_eq!(bench.work_on(&sending(&bench, &queue), &batch, secs(300)), Ok(vec![]));
    assert_eq!(bench.statuses()[1], Failed);

    assert_eq!(queue.asked().len(), 1, "one call for all");
    let letters = queue.letters();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| (letter.original.message_id.as_str(), letter.task.map(|task| task.get()), letter.reason.as_str()))
        .collect();
    let [(dead, task, reason), (nobody, missing, no_row), (poison, none, unreadable)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((dead, task, reason), ("dead", Some(hopeless.get()), "failed for good: never"));
    assert_eq!((nobody, missing, no_row), ("nobody", Some(4711), "no such task"));
    assert_eq!((poison, none), ("poison", None));
    assert!(unreadable.starts_with("cannot be read: the body is not JSON"), "{unreadable}");

    let original = &letters[2].original;
    assert_eq!(original.body, "what is\nthis? \u{1}");
    assert_eq!(original.trace_header.as_deref(), Some("Root=1-5759e988-bd862e3fe1be46a994272793"));
    assert_eq!(original.attributes["photo"].value, AttributeValue::Base64("MTEwMA==".to_owned()));
    assert_eq!((original.attributes.len(), letters[2].at), (2, START));
    bench.audit();
}

#[test]
fn one_that_could_not_be_sent_is_left_to_the_redrive_policy() {
    let bench = Bench::new();
    let queue = Queue::answering(|_, place| Some(if place == 0 { Err(refusal()) } else { Ok(()) }));
    let batch = event([record_of("a", "{"), record_of("b", "{")]);
    assert_eq!(bench.work_on(&sending(&bench, &queue), &batch, secs(300)), Ok(vec!["a".to_owned()]));
}

#[test]
fn what_the_queue_does_not_speak_of_has_not_been_sent() {
    struct Terse;
    #[async_trait::async_trait]
    impl taskwatch_sqs_message::QueueCalls for Terse {
        async fn hide(
            &self,
            _: &str,
            _: &[taskwatch_sqs_message::Hide],
            _: std::time::Duration,
        ) -> Vec<Result<(), CallError>> {
            Vec::new()
        }
        async fn send_dead(
            &self,
            _: &str,
            _: &[taskwatch_sqs_message::DeadLetter],
            _: std::time::Duration,
        ) -> Vec<Result<(), CallError>> {
            vec![Ok(())]
        }
    }
    let bench = Bench::new();
    let batches = bench.batches().with_dead_letters(Arc::new(Terse));
    let batch = event([record_of("a", "{"), record_of("b", "{")]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["b".to_owned()]));
}

#[test]
fn letters_go_before_anything_is_hidden() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [fails] = bench.add(["fails"]);
    let batches = sending(&bench, &queue).with_visibility(Arc::<Queue>::clone(&queue));
    let batch = event([record("fails", fails), record_of("poison", "{")]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["fails".to_owned()]));
    assert!(matches!(queue.asked()[..], [Asked::SendDead(_), Asked::Hide(_)]), "{:?}", queue.asked());
    assert_eq!(queue.hidden().len(), 1, "and the letter is not");
}

#[test]
fn a_whole_batch_succeeds_once_its_dead_letters_are_sent_and_nothing_else_failed() {
    let (bench, queue) = (Bench::reporting(Report::WholeBatch), Queue::willing());
    let [fine, fails] = bench.add(["fine", "fails"]);
    let batches = sending(&bench, &queue);
    let batch = event([record("fine", fine), record_of("poison", "{")]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec![]));
    assert_eq!(queue.letters().len(), 1);

    // With another failure it comes again anyway, and would be sent again.
    let batch = event([record("fails", fails), record_of("poison", "{")]);
    bench.work_on(&batches, &batch, secs(300)).expect_err("one has failed");
    assert_eq!(queue.letters().len(), 1);
}

#[test]
fn a_message_that_came_twice_is_sent_once() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let batch = event([record_of("a", "{"), record_of("a", "{")]);
    assert_eq!(bench.work_on(&sending(&bench, &queue), &batch, secs(300)), Ok(vec![]));
    assert_eq!(queue.letters().len(), 1);
}

#[test]
fn a_letter_out_of_the_way_lets_its_group_come_at_once_and_in_order() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [after, last] = bench.add(["fine", "fine"]);
    let batches = sending(&bench, &queue).with_visibility(Arc::<Queue>::clone(&queue));
    let batch = event([
        in_group("a", record_of("poison", "{")),
        in_group("a", record("after", after)),
        in_group("a", record("last", last)),
    ]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["after".to_owned(), "last".to_owned()]));
    assert_eq!(bench.statuses(), [Pending, Pending], "nobody overtakes it before it is gone");
    assert_eq!(queue.letters()[0].original.group.as_deref(), Some("a"));
    assert_eq!(queue.hidden(), [("after".to_owned(), 0.0), ("last".to_owned(), 0.0)]);

    // The letter cannot be sent: the others wait with it.
    let queue =
        Queue::answering(|asked, _| Some(if matches!(asked, Asked::SendDead(_)) { Err(refusal()) } else { Ok(()) }));
    let batches = sending(&bench, &queue).with_visibility(Arc::<Queue>::clone(&queue));
    assert_eq!(bench.work_on(&batches, &batch, secs(300)).map(|kept| kept.len()), Ok(3));
    assert_eq!(queue.hidden(), []);
}
