//! When messages come again: never later than there is something to do, never so often that their receives run out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use taskwatch_core::ports::Clock as _;
use taskwatch_core::task::Status::{Completed, Pending};
use taskwatch_sqs_lambda::{Batches, Report};

use crate::bench::{Bench, DRAIN, MARGIN, START, event, in_group, received, record, record_of, secs};
use crate::queue::{Asked, Queue};

fn hiding(bench: &Bench, queue: &Arc<Queue>) -> Batches {
    bench.batches().with_visibility(Arc::<Queue>::clone(queue))
}

fn zero(id: &str) -> (String, f64) {
    (id.to_owned(), 0.0)
}

#[test]
fn a_batch_of_which_all_was_done_asks_nothing() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [one, two] = bench.add(["fine", "takes 3"]);
    let batches = hiding(&bench, &queue).with_dead_letters(Arc::<Queue>::clone(&queue));
    let batch = event([record("a", one), record("b", two)]);
    for _ in 0..2 {
        assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec![]));
    }
    assert_eq!(queue.asked(), []);
}

#[test]
fn one_that_failed_comes_again_when_its_task_is_due_and_is_named_all_the_same() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [fine, fails] = bench.add(["fine", "fails"]);
    let batches = hiding(&bench, &queue);
    let batch = event([record("fine", fine), record("fails", fails)]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)), Ok(vec!["fails".to_owned()]));
    let due = bench.dues()[1].since(START).as_secs_f64();
    assert!(due > 0.0);
    assert_eq!(queue.hidden(), [("fails".to_owned(), due)]);

    // Not due yet: the same once more.
    assert_eq!(bench.work_on(&batches, &event([record("fails", fails)]), secs(300)), Ok(vec!["fails".to_owned()]));
    assert_eq!(queue.hidden(), vec![("fails".to_owned(), due); 2]);
    let Asked::Hide(hides) = queue.asked().remove(0) else { panic!("hidden") };
    assert!(hides[0].held >= secs(300), "the mapping may have kept it for so long");
}

#[test]
fn dead_letters_are_not_hidden() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [hopeless] = bench.add(["hopeless"]);
    let batch = event([record("dead", hopeless), record_of("poison", "{")]);
    let kept = bench.work_on(&hiding(&bench, &queue), &batch, secs(300));
    assert_eq!(kept, Ok(vec!["dead".to_owned(), "poison".to_owned()]));
    assert_eq!(queue.asked(), []);
}

#[test]
fn while_another_works_the_message_asks_ever_more_seldom() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [task] = bench.add(["fine"]);
    let claimed = bench.clock.run(bench.engine.claim_due(1)).unwrap();
    assert_eq!(claimed.len(), 1);
    let batches = hiding(&bench, &queue);
    for times in [1, 2, 4, 5, 40] {
        let batch = event([received(times, record(&format!("m{times:02}"), task))]);
        assert_eq!(bench.work_on(&batches, &batch, secs(300)).map(|kept| kept.len()), Ok(1));
    }
    let delays: Vec<_> = queue.hidden().into_iter().map(|(_, delay)| delay).collect();
    // The lease is 60 s.
    assert_eq!(delays, [60.0, 120.0, 480.0, 900.0, 900.0]);
}

#[test]
fn an_outage_does_not_use_up_receives() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let tasks = bench.add(["fine", "fine", "fine"]);
    let [one, two, three] = tasks;
    let batches = hiding(&bench, &queue);
    bench.store.is_down.store(true, Ordering::Relaxed);
    let batch = event([record("a", one), record("b", two)]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)).map(|kept| kept.len()), Ok(2));
    // Nor those behind another.
    let batch =
        event([in_group("a", record("a", one)), in_group("a", record("b", two)), in_group("b", record("c", three))]);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)).map(|kept| kept.len()), Ok(3));
    bench.store.is_down.store(false, Ordering::Relaxed);
    // Nor where the database takes the connection and says nothing.
    bench.store.is_mute.store(true, Ordering::Relaxed);
    assert_eq!(bench.work_on(&batches, &batch, secs(300)).map(|kept| kept.len()), Ok(3));
    assert_eq!(queue.asked(), []);
    assert_eq!(bench.statuses(), [Pending, Pending, Pending]);
}

#[test]
fn what_is_given_back_at_the_deadline_comes_at_once_the_first_time() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [first, second] = bench.add(["takes 100", "takes 100"]);
    let batches = hiding(&bench, &queue);
    let batch = event([record("first", first), received(2, record("second", second))]);
    let kept = bench.work_on(&batches, &batch, secs(60));
    assert_eq!(kept, Ok(vec!["first".to_owned(), "second".to_owned()]));
    assert_eq!(queue.hidden(), [zero("first")]);
    assert_eq!(bench.elapsed(), secs(60) - MARGIN + DRAIN, "the call costs no time here");
}

#[test]
fn those_behind_one_that_waits_come_with_it() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [a1, a2, a3, b1] = bench.add(["fine", "fails", "fine", "fine"]);
    let batch = event([
        in_group("a", record("a1", a1)),
        in_group("a", record("a2", a2)),
        in_group("a", record("a3", a3)),
        in_group("b", record("b1", b1)),
    ]);
    let kept = bench.work_on(&hiding(&bench, &queue), &batch, secs(300));
    assert_eq!(kept, Ok(vec!["a2".to_owned(), "a3".to_owned()]));
    let due = bench.dues()[1].since(START).as_secs_f64();
    assert_eq!(queue.hidden(), [("a2".to_owned(), due), zero("a3")]);
}

#[test]
fn those_behind_a_dead_letter_that_is_left_to_the_queue_are_left_as_well() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [after] = bench.add(["fine"]);
    let batch = event([in_group("a", record_of("poison", "{")), in_group("a", record("after", after))]);
    let kept = bench.work_on(&hiding(&bench, &queue), &batch, secs(300));
    assert_eq!(kept, Ok(vec!["poison".to_owned(), "after".to_owned()]));
    assert_eq!(queue.asked(), []);
}

#[test]
fn of_a_batch_that_comes_again_as_a_whole_nobody_holds_up_the_group() {
    let (bench, queue) = (Bench::reporting(Report::WholeBatch), Queue::willing());
    let [a1, a2, a3, b1] = bench.add(["fine", "fails", "fine", "fine"]);
    let batch = event([
        in_group("a", record("a1", a1)),
        in_group("a", record("a2", a2)),
        in_group("a", record("a3", a3)),
        in_group("b", record("b1", b1)),
    ]);
    bench.work_on(&hiding(&bench, &queue), &batch, secs(300)).expect_err("one has failed");
    let due = bench.dues()[1].since(START).as_secs_f64();
    // Done or behind, they would all keep it in the queue.
    assert_eq!(queue.hidden(), [zero("a1"), ("a2".to_owned(), due), zero("a3")]);
    assert_eq!(bench.statuses()[3], Completed);
}

#[test]
fn without_time_nothing_is_asked() {
    let (bench, queue) = (Bench::new(), Queue::willing());
    let [fails] = bench.add(["fails"]);
    let batches = hiding(&bench, &queue);
    let response = bench.clock.run(batches.work(&event([record("a", fails)]), bench.clock.now()));
    assert_eq!(response.map(|response| response.batch_item_failures.len()), Ok(1));
    assert_eq!(queue.asked(), []);
}
