//! Batches: claimed at once whatever their size, worked a few at a time.

use futures_util::future::join;
use taskwatch_core::delivery::{Delivery, Why};
use taskwatch_core::ports::Clock as _;
use taskwatch_core::stop::Stop;
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind::{Added, Cancelled, Completed, Released, Started};

use crate::bench::{Bench, secs};
use crate::flaky::Kind;
use crate::handler::Act;

#[test]
fn the_size_of_a_batch_costs_no_transactions() {
    for size in [1, 10, 100, 1000] {
        let bench = Bench::new(|_, _| Act::done());
        let tasks = bench.add_many(size);
        assert!(bench.process(&tasks).iter().all(|(_, why)| *why == Why::Completed));
        assert_eq!(bench.store.calls(Kind::Ids).len(), 2, "one claim and one settlement for {size}");
        assert!(bench.handler.most_at_once() <= bench.policy.concurrency);
        bench.audit();
    }
}

#[test]
fn those_that_wait_for_their_turn_keep_their_leases() {
    let bench = Bench::new(|_, _| Act::takes(secs(50))).with(|policy| policy.concurrency = 2);
    let tasks = bench.add_many(20);
    let other = bench.worker("two", 2);
    let (engine, stop) = (bench.engine(), Stop::never());
    let work = engine.process(tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect(), &stop);
    let look = async {
        for _ in 0..49 {
            bench.clock.sleep(secs(10)).await;
            assert_eq!(other.rescue(100).await.unwrap(), 0, "nothing is abandoned");
        }
    };
    let (answers, ()) = bench.clock.run(join(work, look));
    assert!(answers.iter().all(|answered| answered.why == Why::Completed), "{answers:?}");
    assert_eq!((bench.handler.most_at_once(), bench.elapsed()), (2, secs(500)));
    let last = bench.handler.runs().into_iter().find(|run| run.task == tasks[19]).unwrap();
    assert!(
        last.info.deadline.since(crate::bench::START) >= bench.policy.time_limit + secs(450),
        "it has all its time"
    );
    bench.audit();
}

#[test]
fn one_that_is_called_off_while_it_waits_does_not_run() {
    let bench = Bench::new(|_, _| Act::takes(secs(200))).with(|policy| policy.concurrency = 1);
    let tasks = bench.add_many(2);
    let operator = bench.worker("operator", 2);
    let cancel = async {
        bench.clock.sleep(secs(33)).await;
        assert_eq!(operator.cancel(&tasks[1..], "not wanted").await.unwrap()[0].refused, None);
    };
    let (engine, stop) = (bench.engine(), Stop::never());
    let work = engine.process(tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect(), &stop);
    let (answers, ()) = bench.clock.run(join(work, cancel));
    assert_eq!(bench.handler.the_run().task, tasks[0]);
    let of = |task| answers.iter().find(|one| one.delivery.task() == Some(task)).map(|one| one.why.clone());
    assert_eq!((of(tasks[0]), of(tasks[1])), (Some(Why::Completed), Some(Why::StaleLease)));
    assert_eq!(bench.events(tasks[1]), [Added, Started, Cancelled]);
    bench.audit();
}

#[test]
fn what_has_not_begun_when_the_stop_comes_is_released_at_no_cost_of_an_attempt() {
    let bench = Bench::new(|_, _| Act::takes(secs(10))).with(|policy| policy.concurrency = 2);
    let tasks = bench.add_many(7);
    let deliveries = tasks.iter().map(|task| Delivery::of(*task, task.to_string())).collect();
    let answers = bench.clock.run(bench.engine().process(deliveries, &bench.stop_after(secs(15))));
    let completed = answers.iter().filter(|answered| answered.why == Why::Completed).count();
    let released = answers.iter().filter(|answered| matches!(answered.why, Why::Released(_))).count();
    assert_eq!((completed, released), (4, 3));
    for task in &tasks[4..] {
        assert_eq!(bench.events(*task), [Added, Started, Released]);
        assert_eq!((bench.status(*task), bench.row(*task).attempt), (Some(Status::Pending), 0));
    }
    assert_eq!(bench.events(tasks[0]), [Added, Started, Completed]);
    bench.audit();
}
