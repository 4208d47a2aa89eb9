//! Order within groups.

use serde_json::Value;
use taskwatch_core::ports::Failure;
use taskwatch_core::task::{NewTask, OnAbandon, TaskId};

use crate::bench::{Bench, COMPLETED, HOUR, How, KEPT, SECOND, states};
use crate::letters::{FIFO, STANDARD, about, from, grouped};
use crate::store::Fault;
use crate::work::Step;

fn again(after: std::time::Duration) -> Step {
    Step::Fail(Failure::retry_after(after, "busy"))
}

/// Three tasks of group a and two of group b, by turns.
async fn two_groups(bench: &Bench) -> (Vec<TaskId>, Vec<Value>) {
    let tasks = bench.tasks(5).await;
    let letters = (0..).zip(&tasks).map(|(n, task)| grouped(*task, ["a", "b"][n % 2])).collect();
    (tasks, letters)
}

/// The attempts of each group.
fn ran(bench: &Bench) -> (Vec<i64>, Vec<i64>) {
    bench.script.ran().into_iter().partition(|task| task % 2 == 1)
}

#[tokio::test]
async fn letters_of_a_group_run_one_after_the_other_also_with_retries() {
    let bench = Bench::new();
    let (tasks, letters) = two_groups(&bench).await;
    bench.script.next(tasks[0], again(10 * SECOND));
    bench.script.next(tasks[0], again(10 * SECOND));
    bench.script.next(tasks[3], again(5 * SECOND));
    let journal = bench.journal(&letters).await;
    let done = bench.run(&journal, How::default()).await;
    done.result.as_ref().unwrap();
    assert_eq!(states(&journal).await, [COMPLETED; 5]);
    assert_eq!(ran(&bench), (vec![1, 1, 1, 3, 5], vec![2, 4, 4]));
}

#[tokio::test]
async fn behind_one_that_is_left_for_later_nobody_of_its_group_goes() {
    let bench = Bench::new();
    let (tasks, letters) = two_groups(&bench).await;
    bench.script.next(tasks[0], again(HOUR));
    let journal = bench.journal(&letters).await;
    let done = bench.run(&journal, How::default()).await;
    assert_eq!(done.names(), [(1, "later"), (2, "completed"), (3, "later"), (4, "completed"), (5, "later")]);
    assert_eq!(states(&journal).await, [KEPT, COMPLETED, KEPT, COMPLETED, KEPT]);
    assert_eq!(ran(&bench), (vec![1], vec![2, 4]));
}

/// Also those of a later page.
#[tokio::test]
async fn nor_does_one_that_comes_much_later() {
    let bench = Bench::new();
    let tasks = bench.tasks(250).await;
    bench.script.next(tasks[0], again(HOUR));
    let group = |n: usize| if [0, 249].contains(&n) { "a".to_owned() } else { format!("of {n}") };
    let letters: Vec<_> = (0..).zip(&tasks).map(|(n, task)| grouped(*task, &group(n))).collect();
    let journal = bench.journal(&letters).await;
    let done = bench.run(&journal, How::default()).await;
    let later: Vec<_> = done.names().into_iter().filter(|(_, name)| *name == "later").collect();
    assert_eq!((later, done.names().len()), (vec![(1, "later"), (250, "later")], 250));
}

/// As behind what a FIFO queue has moved to its dead letters.
#[tokio::test]
async fn behind_one_that_nobody_can_work_the_others_go() {
    let bench = Bench::new();
    let (tasks, mut letters) = two_groups(&bench).await;
    bench.script.next(tasks[2], Step::Fail(Failure::permanent("it broke")));
    letters.insert(0, grouped(99.try_into().unwrap(), "a"));
    let journal = bench.journal(&letters).await;
    let done = bench.run(&journal, How::default()).await;
    let names = ["left", "completed", "completed", "failed", "completed", "completed"];
    assert_eq!(done.names(), (1..).zip(names).collect::<Vec<_>>());
    assert_eq!(ran(&bench), (vec![1, 3, 5], vec![2, 4]));
}

#[tokio::test]
async fn one_whose_work_could_not_be_begun_comes_again_and_nobody_overtakes_it() {
    for (times, ends) in [(2, COMPLETED), (100, KEPT)] {
        let bench = Bench::new();
        let (tasks, letters) = two_groups(&bench).await;
        for _ in 0..times {
            bench.script.next(tasks[0], Step::Fail(Failure::not_begun("no such command")));
        }
        let journal = bench.journal(&letters).await;
        let done = bench.run(&journal, How::default()).await;
        done.result.as_ref().unwrap();
        assert_eq!(states(&journal).await, [ends, COMPLETED, ends, COMPLETED, ends]);
        let (a, _) = ran(&bench);
        assert!(a.is_sorted() && a.len() > 2, "{a:?}");
        // Nothing was begun, so no attempt was used up.
        assert_eq!(bench.record(tasks[0]).await.unwrap().row.unwrap().attempt, u32::from(times == 2));
    }
}

#[tokio::test]
async fn nobody_overtakes_one_that_the_database_could_not_be_asked_about() {
    let bench = Bench::new();
    let (_, letters) = two_groups(&bench).await;
    let journal = bench.journal(&letters).await;
    // The first is the look at the letters; then nothing can be claimed for longer than the engine waits.
    bench.store.fail(1..usize::MAX, Fault::Away);
    let done = bench.run(&journal, How { comes_back: true, ..How::default() }).await;
    done.result.as_ref().unwrap();
    let (a, b) = ran(&bench);
    let states = states(&journal).await;
    for (group, ran) in [(0, a), (1, b)] {
        let went: Vec<_> = (group..5).step_by(2).map(|n| states[n] == COMPLETED).collect();
        assert!(went.is_sorted_by_key(|went| !went), "{states:?}");
        assert!(ran.is_sorted(), "{ran:?}");
    }
    assert!(states.contains(&KEPT), "{states:?}");
    assert_eq!(
        done.without_database,
        done.names().iter().filter(|(n, name)| *name == "later" && *n <= 2).count() as u64
    );
}

/// Of a standard queue, a group is no promise.
#[tokio::test]
async fn groups_of_standard_queues_keep_no_order() {
    for (queue, third) in [(STANDARD, COMPLETED), (FIFO, KEPT)] {
        let bench = Bench::new();
        let tasks = bench.tasks(2).await;
        bench.script.next(tasks[0], again(HOUR));
        let letters: Vec<_> = tasks.iter().map(|task| from(grouped(*task, "a"), queue)).collect();
        let journal = bench.journal(&letters).await;
        bench.run(&journal, How::default()).await;
        assert_eq!(states(&journal).await, [KEPT, third], "{queue}");
    }
}

/// A task that is given up while others of its group wait.
#[tokio::test]
async fn behind_one_that_must_not_run_twice_the_others_go() {
    let bench = Bench::new();
    let first = bench.add(NewTask { on_abandon: OnAbandon::Fail, ..NewTask::titled("Pay") }).await;
    bench.vanish(first, 10 * SECOND).await;
    let second = bench.task().await;
    let journal = bench.journal(&[grouped(first, "a"), grouped(second, "a"), about(second)]).await;
    journal.begin(&[1.into()], bench.engine.clock().now()).await.unwrap();
    journal.close().await;
    let journal = bench.open().await;
    let done = bench.run(&journal, How::default()).await;
    assert_eq!(done.names(), [(1, "left"), (2, "completed"), (3, "dropped")]);
    assert_eq!(bench.script.ran(), [second.get()]);
}
