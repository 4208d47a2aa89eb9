//! What goes wrong in a batch, and exactly that is kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use taskwatch_core::metric::Metric;
use taskwatch_core::task::Status::{Completed, Failed, Pending};
use taskwatch_sqs_lambda::{Batches, InvalidMargin, InvocationError, Options, Report};

use crate::bench::{Bench, DRAIN, event, record, record_of};

fn ids<const N: usize>(ids: [&str; N]) -> Result<Vec<String>, InvocationError> {
    Ok(ids.map(str::to_owned).to_vec())
}

#[test]
fn exactly_what_was_not_finished_is_kept() {
    let bench = Bench::new();
    let [fine, fails, hopeless, panics, last] = bench.add(["fine", "fails", "hopeless", "panics", "fine"]);
    let missing = 4711.try_into().unwrap();
    let batch = event([
        record("done", fine),
        record("again", fails),
        record("dead", hopeless),
        record_of("poison", "what is this?"),
        record("panicked", panics),
        record("nobody", missing),
        record("done too", last),
    ]);
    assert_eq!(bench.work(&batch), ids(["again", "dead", "poison", "panicked", "nobody"]));
    assert_eq!(bench.statuses(), [Completed, Pending, Failed, Pending, Completed]);
    assert_eq!((bench.count(Metric::MessagesRejected), bench.count(Metric::HandlerPanics)), (1, 1));

    // What was done is acknowledged if it comes again, and what has failed for good is not.
    assert_eq!(bench.work(&event([record("done", fine), record("dead", hopeless)])), ids(["dead"]));
    assert_eq!(bench.count(Metric::DuplicateDeliveries), 1);
    bench.audit();
}

#[test]
fn without_partial_responses_any_failure_keeps_the_whole_batch() {
    let bench = Bench::reporting(Report::WholeBatch);
    let [fine, fails] = bench.add(["fine", "fails"]);
    let error = bench.work(&event([record("a", fine), record("b", fails)])).expect_err("one has failed");
    assert!(matches!(error, InvocationError::Failed { failed: 1, all: 2, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("1 of 2 messages") && text.contains("message b") && text.contains("not today"), "{text}");
    assert_eq!(bench.statuses(), [Completed, Pending], "the other is done all the same");
    assert_eq!(bench.work(&event([record("a", fine)])), ids([]));
}

#[test]
fn a_whole_batch_is_what_an_unknown_mapping_gets() {
    assert_eq!(Report::default(), Report::WholeBatch);
}

#[test]
fn a_database_that_is_down_returns_every_message_and_is_told_of_once() {
    let bench = Bench::new();
    let [one, two] = bench.add(["fine", "fine"]);
    bench.store.is_down.store(true, Ordering::Relaxed);
    let batch = event([record("a", one), record("b", two)]);
    assert_eq!(bench.work(&batch), ids(["a", "b"]));
    assert_eq!(bench.work(&batch), ids(["a", "b"]));
    let troubles = bench.told.troubles();
    assert!(troubles.len() == 1 && troubles[0].contains("connection refused"), "{troubles:?}");

    bench.store.is_down.store(false, Ordering::Relaxed);
    assert_eq!(bench.work(&batch), ids([]));
    assert_eq!(bench.told.recoveries().len(), 1);
    bench.audit();
}

#[test]
fn a_drain_that_leaves_nothing_of_the_margin_is_refused() {
    let bench = Bench::new();
    let new = |margin| Batches::new(Arc::clone(&bench.engine), Options { report: Report::Partial, margin });
    assert_eq!(new(DRAIN).expect_err("nothing is left"), InvalidMargin { margin: DRAIN, drain: DRAIN });
    assert!(new(DRAIN * 2).is_ok());
}

/// A delete with a stale receipt handle succeeds and deletes nothing, so what was answered can come again.
#[test]
fn what_was_settled_before_is_acknowledged_without_running_again() {
    let bench = Bench::new();
    let [task] = bench.add(["fine"]);
    for _ in 0..3 {
        assert_eq!(bench.work(&event([record("a", task)])), ids([]));
    }
    assert_eq!(bench.begun().len(), 1);
    assert_eq!(bench.count(Metric::DuplicateDeliveries), 2);
    bench.audit();
}
