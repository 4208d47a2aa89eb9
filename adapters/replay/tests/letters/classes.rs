//! One test for each story that a row and its ledger can tell.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskwatch_core::ports::{Clock as _, Failure};
use taskwatch_core::task::{NewTask, OnAbandon, TaskId};
use taskwatch_replay::{Class, ClassKind, classify, replays};

use crate::bench::{ADOPT_AFTER, Bench, LEASE, START, letter};
use crate::work::Step;

fn task() -> NewTask {
    NewTask::titled("Sweep")
}

/// Work that must not run twice.
fn once() -> NewTask {
    NewTask { on_abandon: OnAbandon::Fail, ..task() }
}

/// Work that is tried a single time.
fn single() -> NewTask {
    NewTask { max_attempts: Some(1), ..task() }
}

fn failed(cause: &str) -> Class {
    Class::Failed { cause: cause.to_owned() }
}

fn uncertain(cause: &str, may_rerun: bool) -> Class {
    Class::Uncertain { cause: cause.to_owned(), may_rerun }
}

/// A task of which one delivery ended like this.
fn after(bench: &Bench, new: NewTask, step: Step) -> TaskId {
    let task = bench.add(new);
    bench.script.next(step);
    assert_eq!(bench.deliver(task).len(), 1);
    task
}

#[test]
fn a_task_that_no_worker_has_met_never_ran() {
    let bench = Bench::new();
    let task = bench.add(task());
    assert_eq!(bench.class(task), Class::NeverRan);
    bench.clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(bench.class(task), Class::NeverRan);
}

#[test]
fn a_task_that_is_not_due_waits() {
    let bench = Bench::new();
    let due = START + Duration::from_secs(100);
    let task = bench.add(NewTask { not_before: Some(due), ..task() });
    assert_eq!(bench.class(task), Class::Waiting { due });
    bench.clock.advance(Duration::from_secs(100));
    assert_eq!(bench.class(task), Class::NeverRan);
}

#[test]
fn a_task_between_attempts_waits() {
    let bench = Bench::new();
    let task = after(&bench, task(), Step::Fail(Failure::retry("it broke")));
    let due = bench.record(task).unwrap().row.unwrap().due;
    assert!(due > bench.clock.now());
    assert_eq!(bench.class(task), Class::Waiting { due });
    // It has been tried: that does not change when it is due.
    bench.clock.advance(Duration::from_secs(1_000));
    assert_eq!(bench.class(task), Class::Waiting { due });
}

#[test]
fn a_task_whose_only_attempt_was_released_may_have_been_begun() {
    let bench = Bench::new();
    let task = bench.add(task());
    bench.script.next(Step::Hang);
    assert_eq!(bench.deliver_and_stop(task).len(), 1);
    let row = bench.record(task).unwrap().row.unwrap();
    assert_eq!((row.attempt, row.reason.as_deref()), (0, Some("shutting down")));
    assert_eq!(bench.class(task), Class::Waiting { due: row.due });
}

#[test]
fn an_attempt_with_a_live_lease_is_running_and_an_old_one_uncertain() {
    for (new, may_rerun) in [(task(), true), (once(), false)] {
        let bench = Bench::new();
        let task = bench.add(new);
        bench.start_and_vanish();
        assert_eq!(bench.class(task), Class::Running { until: START + LEASE });
        bench.clock.advance(LEASE);
        assert_eq!(bench.class(task), uncertain("the lease ran out, and its worker has not said more", may_rerun));
    }
}

#[test]
fn an_abandoned_attempt_that_was_given_up_is_uncertain_and_one_that_was_put_back_waits() {
    let story = |new: NewTask| {
        let bench = Bench::new();
        let task = bench.add(new);
        bench.start_and_vanish();
        bench.clock.advance(LEASE);
        bench.rescue();
        bench.class(task)
    };
    assert_eq!(story(once()), uncertain("the lease ran out, and the work must not run twice", false));
    assert_eq!(story(single()), uncertain("the lease ran out, and no attempts are left", true));
    assert_eq!(story(task()), Class::Waiting { due: START + LEASE });
}

#[test]
fn what_failed_for_good_says_why() {
    let bench = Bench::new();
    let permanent = after(&bench, once(), Step::Fail(Failure::permanent("never again")));
    assert_eq!(bench.class(permanent), failed("never again"));
    let used_up = after(&bench, single(), Step::Fail(Failure::retry("it broke")));
    assert_eq!(bench.class(used_up), failed("it broke"));
}

#[test]
fn a_clean_failure_after_an_abandoned_attempt_is_a_failure() {
    let bench = Bench::new();
    let task = bench.add(task());
    bench.start_and_vanish();
    bench.clock.advance(LEASE);
    bench.rescue();
    bench.script.next(Step::Fail(Failure::permanent("never again")));
    bench.deliver(task);
    assert_eq!(bench.class(task), failed("never again"));
}

#[test]
fn an_attempt_that_was_cut_off_and_given_up_is_uncertain() {
    let steps = [
        (Step::Hang, "timed out after 100s"),
        (Step::Panic, "the handler panicked: a bug"),
        (
            Step::Fail(Failure::cut_off("killed at the time limit of 5s: half way")),
            "killed at the time limit of 5s: half way",
        ),
        (Step::Fail(Failure::cut_off("no answer from localhost:80: reset")), "no answer from localhost:80: reset"),
        (
            Step::Fail(Failure::cut_off("localhost:80 did not answer within the time limit of 5s")),
            "localhost:80 did not answer within the time limit of 5s",
        ),
    ];
    for (step, cause) in steps {
        let bench = Bench::new();
        let task = after(&bench, once(), step.clone());
        assert_eq!(bench.class(task), uncertain(cause, false));
        let task = after(&bench, single(), step);
        assert_eq!(bench.class(task), uncertain(cause, true));
    }
}

#[test]
fn an_attempt_without_its_lease_or_its_delivery_is_uncertain() {
    let bench = Bench::new();
    let task = bench.add(once());
    bench.script.next(Step::Hang);
    bench.no_renewals.store(true, Ordering::SeqCst);
    bench.deliver(task);
    assert_eq!(bench.class(task), uncertain("the lease could not be renewed", false));

    let bench = Bench::new();
    let task = bench.add(single());
    bench.script.next(Step::Hang);
    bench.deliver_and_lose(task);
    assert_eq!(bench.class(task), uncertain("the delivery could not be kept from others", true));
}

/// The words by which attempts that were cut off are recognised are those of the handlers.
#[test]
fn the_handlers_still_say_it_so() {
    let (command, http) =
        (include_str!("../../../handlers/src/command.rs"), include_str!("../../../handlers/src/http.rs"));
    assert!(command.contains(r#"cut_off(with_detail(format!("killed at the time limit of {limit}")"#));
    assert!(http.contains(r#"(Failure::cut_off, "no answer from")"#));
    assert!(http.contains(r#"cut_off(format!("{} did not answer within the time limit of {limit}""#));
    assert_eq!(command.matches("cut_off(").count() + http.matches("cut_off").count(), 3);
}

#[test]
fn what_is_over_is_told_apart() {
    let bench = Bench::new();
    let done = after(&bench, task(), Step::Succeed);
    assert_eq!(bench.class(done), Class::Completed { at: Some(START) });
    let cancelled = bench.add(task());
    bench.clock.run(bench.engine.cancel(&[cancelled], "no longer needed")).unwrap();
    assert_eq!(bench.class(cancelled), Class::Cancelled);
}

#[test]
fn a_replayed_task_waits_and_its_replays_are_counted() {
    let bench = Bench::new();
    let task = after(&bench, task(), Step::Fail(Failure::permanent("never")));
    assert_eq!(replays(&bench.record(task).unwrap()), 0);
    for times in 1..=2 {
        bench.clock.run(bench.engine.replay(&[task], "repaired")).unwrap();
        assert_eq!(replays(&bench.record(task).unwrap()), times);
        assert_eq!(bench.class(task), Class::Waiting { due: START });
        bench.script.next(Step::Fail(Failure::permanent("never")));
        bench.deliver(task);
        assert_eq!(bench.class(task), failed("never"));
    }
}

#[test]
fn rows_of_other_programs_are_judged_by_their_word() {
    let foreign = "another program has set it to Failed";
    let begun = "another program has set it to In Progress, and has not said more";
    for (status, before, met) in [
        ("In Progress", uncertain(begun, true), uncertain(begun, true)),
        ("Completed", Class::Completed { at: None }, Class::Completed { at: None }),
        ("Failed", failed(foreign), failed(foreign)),
        ("Cancelled", Class::Cancelled, Class::Cancelled),
        ("done", Class::UnknownStatus("done".to_owned()), Class::UnknownStatus("done".to_owned())),
    ] {
        let bench = Bench::new();
        let task = bench.store.foreign_insert("Sweep", status);
        assert_eq!(bench.class(task), before, "{status}");
        // A delivery adopts it.
        bench.deliver(task);
        assert_eq!(bench.record(task).unwrap().entries.is_empty(), status == "done");
        assert_eq!(bench.class(task), met, "{status}");
    }
    let bench = Bench::new();
    let task = bench.store.foreign_insert("Sweep", "Pending");
    assert_eq!(bench.class(task), Class::NeverRan);
}

#[test]
fn what_another_program_began_is_uncertain_until_it_is_put_back() {
    let bench = Bench::new();
    let task = bench.store.foreign_insert("Sweep", "In Progress");
    bench.deliver(task);
    bench.clock.advance(ADOPT_AFTER);
    assert_eq!(bench.class(task).kind(), ClassKind::Uncertain);
    bench.rescue();
    assert_eq!(bench.class(task), Class::Waiting { due: bench.clock.now() });
}

#[test]
fn what_another_program_wrote_over_a_row_counts_unless_the_task_was_over() {
    let foreign = "another program has set it to Failed";
    let bench = Bench::new();
    let new = bench.add(task());
    for (status, class) in [
        ("Completed", Class::Completed { at: None }),
        ("Failed", failed(foreign)),
        ("Cancelled", Class::Cancelled),
        ("odd", Class::UnknownStatus("odd".to_owned())),
        ("In Progress", uncertain("another program has set it to In Progress, and has not said more", true)),
    ] {
        assert!(bench.store.foreign_write(new, status));
        assert_eq!(bench.class(new), class, "{status}");
    }
    // Noted in the ledger, it still is that program's word.
    assert!(bench.store.foreign_write(new, "Failed"));
    bench.deliver(new);
    assert_eq!(bench.class(new), failed(foreign));

    let gone_wrong = after(&bench, task(), Step::Fail(Failure::permanent("never")));
    assert!(bench.store.foreign_write(gone_wrong, "Pending"));
    bench.clock.advance(Duration::from_secs(5));
    assert_eq!(bench.class(gone_wrong), Class::Waiting { due: bench.clock.now() });

    let done = after(&bench, task(), Step::Succeed);
    let at = Some(bench.clock.now());
    assert!(bench.store.foreign_write(done, "Pending"));
    assert_eq!(bench.class(done), Class::Completed { at });
}

#[test]
fn a_task_that_another_program_has_taken_from_its_worker_waits() {
    let bench = Bench::new();
    let task = bench.add(task());
    bench.start_and_vanish();
    assert!(bench.store.foreign_write(task, "Pending"));
    assert_eq!(bench.class(task), Class::Waiting { due: START });
}

#[test]
fn without_a_row_there_is_no_task() {
    let bench = Bench::new();
    let task = bench.add(task());
    assert!(bench.store.foreign_delete(task));
    assert!(bench.record(task).is_some_and(|record| !record.entries.is_empty()));
    assert_eq!(bench.class(task), Class::NoSuchTask);
    assert_eq!(classify(&letter(r#"{"task_id": 99}"#), None, START), Class::NoSuchTask);
}

#[test]
fn what_cannot_be_read_says_why() {
    let class = classify(&letter(r#"{"task_id": null}"#), None, START);
    assert_eq!(class, Class::Unreadable("`task_id` is null: expected a positive integer".to_owned()));
    assert_eq!(class.cause(), Some("`task_id` is null: expected a positive integer"));
}

#[test]
fn every_class_has_a_name_of_its_own_that_reads_back() {
    for (kind, name) in ClassKind::ALL.into_iter().zip(Class::ALL_NAMES) {
        assert_eq!((kind.name(), name.parse()), (name, Ok(kind)));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }
    let said = "never".parse::<ClassKind>().unwrap_err().to_string();
    assert!(said.starts_with("unknown class \"never\": expected one of never-ran, waiting, running,"), "{said}");
}
