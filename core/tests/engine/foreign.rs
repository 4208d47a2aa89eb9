//! Rows that another program inserts or writes over.

use std::sync::atomic::{AtomicUsize, Ordering};

use taskwatch_core::delivery::{Answer, Delivery, Why};
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Clock as _, Failure};
use taskwatch_core::stop::Stop;
use taskwatch_core::task::{Status, TaskId};
use taskwatch_core::transition::EventKind::{Abandoned, Added, Adopted, Completed, Failed, Overwritten, Started};

use crate::bench::{Bench, secs};
use crate::handler::Act;

fn bench() -> Bench {
    Bench::new(|_, _| Act::takes(secs(1))).with(|policy| policy.adopt_after = secs(300))
}

#[test]
fn a_pending_row_is_adopted_and_run() {
    let bench = bench();
    let task = bench.rows.foreign_insert("theirs", "Pending");
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.events(task), [Adopted, Started, Completed]);
    assert_eq!((bench.count(Metric::TasksAdopted), bench.count(Metric::TasksAdded)), (1, 0));
    bench.audit();
}

#[test]
fn a_row_in_progress_is_given_time_and_then_taken_over() {
    let bench = bench();
    let task = bench.rows.foreign_insert("theirs", "In Progress");
    assert_eq!(bench.process_one(task), (Answer::RetryAfter(secs(300)), Why::InProgress));
    bench.clock.advance(secs(100));
    assert_eq!(bench.process_one(task), (Answer::RetryAfter(secs(200)), Why::InProgress));
    assert_eq!(bench.events(task), [Adopted], "adopted once");
    bench.clock.advance(secs(200));
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.events(task), [Adopted, Abandoned, Started, Completed]);
    bench.audit();
}

#[test]
fn a_row_in_progress_that_the_other_program_finishes_is_settled() {
    let bench = bench();
    let task = bench.rows.foreign_insert("theirs", "In Progress");
    bench.process_one(task);
    assert!(bench.rows.foreign_write(task, "Completed"));
    assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Settled(Status::Completed)));
    assert_eq!(bench.events(task), [Adopted, Overwritten]);
    assert!(bench.handler.runs().is_empty());
    assert_eq!((bench.count(Metric::TasksOverwritten), bench.count(Metric::TasksCompleted)), (1, 0));
    bench.audit();
}

#[test]
fn rows_in_a_final_status_are_adopted_as_they_are() {
    let bench = bench();
    let reason = "no reason recorded".to_owned();
    for (status, answer) in [
        ("Completed", (Answer::Acknowledge, Why::Settled(Status::Completed))),
        ("Cancelled", (Answer::Acknowledge, Why::Settled(Status::Cancelled))),
        ("Failed", (Answer::DeadLetter, Why::AlreadyFailed(reason))),
    ] {
        let task = bench.rows.foreign_insert("theirs", status);
        assert_eq!(bench.process_one(task), answer);
        assert_eq!(bench.process_one(task), answer, "the same the second time");
        assert_eq!(bench.events(task), [Adopted]);
    }
    assert!(bench.handler.runs().is_empty());
    bench.audit();
}

#[test]
fn our_row_that_was_overwritten_is_taken_as_it_is_now() {
    let runs = AtomicUsize::new(0);
    let bench = Bench::new(move |_, _| match runs.fetch_add(1, Ordering::Relaxed) {
        0 => Act::fail(Failure::permanent("never")),
        _ => Act::done(),
    });
    let [finished, revived] = bench.add_many(2)[..] else { unreachable!() };
    assert!(bench.rows.foreign_write(finished, "Completed"));
    assert_eq!(bench.process_one(finished), (Answer::Acknowledge, Why::Settled(Status::Completed)));
    assert_eq!(bench.events(finished), [Added, Overwritten]);

    assert_eq!(bench.process_one(revived).0, Answer::DeadLetter);
    assert!(bench.rows.foreign_write(revived, "Pending"));
    assert_eq!(bench.process_one(revived), (Answer::Acknowledge, Why::Completed));
    assert_eq!(bench.events(revived), [Added, Started, Failed, Overwritten, Started, Completed]);
    assert_eq!(bench.row(revived).attempt, 1, "it was put back, which is a replay by other means");
    bench.audit();
}

#[test]
fn what_is_finished_stays_finished_whatever_is_written_over_it() {
    let bench = bench();
    let task = bench.add_one();
    bench.process_one(task);
    for status in ["Pending", "In Progress", "Failed", "gibberish"] {
        assert!(bench.rows.foreign_write(task, status));
        assert_eq!(bench.process_one(task), (Answer::Acknowledge, Why::Settled(Status::Completed)), "{status}");
    }
    assert_eq!(bench.events(task), [Added, Started, Completed]);
    assert_eq!(bench.handler.runs().len(), 1);
    bench.audit();
}

/// Works the task while another program writes its status in the middle.
fn overwritten_in_the_middle(bench: &Bench, task: TaskId, status: &str) -> (Answer, Why) {
    let engine = bench.engine();
    let stop = Stop::never();
    let work = engine.process(vec![Delivery::of(task, "r")], &stop);
    let write = async {
        bench.clock.sleep(secs(5)).await;
        assert!(bench.rows.foreign_write(task, status));
    };
    let (mut answers, ()) = bench.clock.run(futures_util::future::join(work, write));
    let answered = answers.remove(0);
    (answered.answer, answered.why)
}

#[test]
fn a_running_task_that_is_overwritten_is_cut_off_and_answered_by_its_row() {
    for (status, after, answer) in [
        ("Completed", Some(Status::Completed), Answer::Acknowledge),
        ("Failed", Some(Status::Failed), Answer::DeadLetter),
        ("Pending", Some(Status::Pending), Answer::RetryAfter(secs(0))),
    ] {
        let bench = Bench::new(|_, _| Act::takes(secs(500)));
        let task = bench.add_one();
        assert_eq!(overwritten_in_the_middle(&bench, task, status), (answer, Why::StaleLease), "{status}");
        let (ended, by_itself) = bench.handler.the_run().ended.unwrap();
        assert!(!by_itself && ended <= secs(5) + bench.policy.lease / 2, "cut off within a renewal: {ended:?}");
        assert_eq!((bench.status(task), bench.events(task)), (after, vec![Added, Started, Overwritten]));
        assert_eq!(bench.count(Metric::StaleLeases), 1);
        bench.audit();
    }
}
