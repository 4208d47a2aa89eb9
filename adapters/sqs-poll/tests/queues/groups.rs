//! FIFO queues: groups in order, beside each other.

use serde_json::json;
use taskwatch_core::task::{Status, TaskId};

use crate::bench::{Bench, announcement, send};

fn send_to(bench: &Bench, group: &str, task: TaskId) {
    let more = json!({ "MessageGroupId": group, "MessageDeduplicationId": task.to_string() });
    send(&bench.queue, &announcement(task), more);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_worked_in_order_also_behind_one_that_fails() {
    let bench = Bench::new(".fifo");
    let tasks = bench.add(&["x", "fails once", "x", "takes 1", "x", "x"]).await;
    for (task, group) in tasks.iter().zip(["a", "a", "a", "b", "b", "a"]) {
        send_to(&bench, group, *task);
    }
    let worker = bench.work().await;
    bench.become_so(&[Status::Completed; 6]).await;
    bench.emptied().await;
    worker.stop().await;
    let begun = |group: &[usize]| -> Vec<usize> {
        let place = |task: &TaskId| tasks.iter().position(|one| one == task).unwrap();
        bench.begun().iter().map(place).filter(|place| group.contains(place)).collect()
    };
    assert_eq!(begun(&[0, 1, 2, 5]), [0, 1, 1, 2, 5]);
    assert_eq!(begun(&[3, 4]), [3, 4]);
    bench.audit();
}
