//! Queues that refuse, fail or keep silent: the answer comes all the same, and the log says it once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use taskwatch_core::task::TaskId;
use taskwatch_sqs_message::CallError;

use crate::bench::{Bench, QUEUE, event, record, record_of, secs};
use crate::log::logged;
use crate::queue::{Asked, Queue};

fn not_allowed(asked: &Asked) -> CallError {
    let action = if matches!(asked, Asked::Hide(_)) { "sqs:ChangeMessageVisibility" } else { "sqs:SendMessage" };
    let (action, why) = (action.to_owned(), "no (AccessDenied)".to_owned());
    CallError::NotAllowed { action, queue: QUEUE.to_owned(), why }
}

fn unavailable() -> CallError {
    CallError::Unavailable { queue: QUEUE.to_owned(), why: "slow down".to_owned() }
}

/// One that fails and one that nobody can read.
fn batch(task: TaskId) -> Value {
    event([record("fails", task), record_of("poison", "{")])
}

/// Works the batch so often, and answers with the lines about the queue.
fn lines(queue: &Arc<Queue>, times: usize) -> Vec<String> {
    let bench = Bench::new();
    let [task] = bench.add(["fails"]);
    let batches =
        bench.batches().with_visibility(Arc::<Queue>::clone(queue)).with_dead_letters(Arc::<Queue>::clone(queue));
    let lines = logged(|| {
        for _ in 0..times {
            let kept = bench.work_on(&batches, &batch(task), secs(60)).expect("it answers");
            assert!(kept.contains(&"fails".to_owned()), "{kept:?}");
        }
    });
    assert!(lines.iter().all(|line| !line.contains("{\"")), "no body: {lines:?}");
    lines
        .into_iter()
        .filter(|line| !line.contains("left to the dead-letter queue") && !line.contains("sent to"))
        .filter(|line| !line.contains("batch done"))
        .collect()
}

#[test]
fn what_is_not_allowed_is_said_once_with_its_action_and_not_tried_again() {
    let queue = Queue::answering(|asked, _| Some(Err(not_allowed(asked))));
    let lines = lines(&queue, 5);
    assert_eq!(queue.asked().len(), 2, "each once: {:?}", queue.asked());
    let [dead, hide] = &lines[..] else { panic!("{lines:?}") };
    assert!(dead.contains("ERROR") && dead.contains("sqs:SendMessage") && dead.contains("redrive policy"), "{dead}");
    assert!(hide.contains("sqs:ChangeMessageVisibility") && hide.contains("visibility timeout"), "{hide}");
}

#[test]
fn other_failures_are_said_once_until_they_have_passed() {
    let calls = AtomicUsize::new(0);
    let queue = Queue::answering(move |asked, _| {
        if matches!(asked, Asked::SendDead(_)) {
            return Some(Ok(()));
        }
        let before = calls.fetch_add(1, Ordering::Relaxed);
        Some(if before < 3 || before == 5 { Err(unavailable()) } else { Ok(()) })
    });
    let lines = lines(&queue, 7);
    assert_eq!(queue.hidden().len(), 7, "and tried every time");
    let kinds: Vec<_> = lines.iter().map(|line| line.trim().split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["WARN", "INFO", "WARN", "INFO"], "{lines:?}");
    assert!(lines[0].contains("slow down") && lines[1].contains("recovered"), "{lines:?}");
}

#[test]
fn a_missing_dead_letter_queue_is_said_once() {
    let queue = Queue::answering(|asked, _| match asked {
        Asked::SendDead(_) => Some(Err(CallError::NoDeadLetters { queue: QUEUE.to_owned() })),
        Asked::Hide(_) => Some(Ok(())),
    });
    let lines = lines(&queue, 3);
    assert!(lines.len() == 1 && lines[0].contains("no dead-letter queue (no redrive policy)"), "{lines:?}");
}

#[test]
fn a_letter_that_is_too_large_is_said_for_itself() {
    let queue = Queue::answering(|asked, _| match asked {
        Asked::SendDead(_) => {
            Some(Err(CallError::TooLarge { bytes: 2_000, most: 1_024, queue: format!("{QUEUE}-dead") }))
        }
        Asked::Hide(_) => Some(Ok(())),
    });
    let lines = lines(&queue, 2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("2000 bytes") && line.contains("takes 1024")), "{lines:?}");
}

#[test]
fn a_queue_that_never_answers_does_not_cost_the_answer() {
    let bench = Bench::new();
    let queue = Queue::answering(|_, _| None);
    let [task] = bench.add(["fails"]);
    let batches =
        bench.batches().with_visibility(Arc::<Queue>::clone(&queue)).with_dead_letters(Arc::<Queue>::clone(&queue));
    let kept = bench.work_on(&batches, &batch(task), secs(60));
    assert_eq!(kept, Ok(vec!["fails".to_owned(), "poison".to_owned()]));
    assert_eq!(bench.elapsed(), secs(6), "3 s for each kind");
    assert_eq!(queue.asked().len(), 2);

    // With little time, what there is.
    let begun = bench.elapsed();
    let kept = bench.work_on(&batches, &batch(task), secs(2));
    assert_eq!(kept.map(|kept| kept.len()), Ok(2));
    assert!(bench.elapsed() - begun < secs(2));
}
