//! Workers that are killed, queues that are deleted: it goes on by itself.

use serde_json::json;
use taskwatch_core::metric::Metric;
use taskwatch_core::task::Status;

use crate::bench::{Bench, announcement, aws, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_held_comes_again() {
    let bench = Bench::new("");
    let tasks = bench.add(&["takes 1"; 12]).await;
    for task in &tasks {
        send(&bench.queue, &announcement(*task), json!({}));
    }
    let worker = bench.work().await;
    bench.until(|| bench.statuses().contains(&Status::InProgress)).await;
    worker.kill().await;
    assert!(bench.statuses().contains(&Status::InProgress));
    let worker = bench.work().await;
    bench.become_so(&[Status::Completed; 12]).await;
    bench.emptied().await;
    worker.stop().await;
    assert!(bench.count(Metric::TasksAbandoned) > 0);
    bench.audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_and_made_again_is_polled_again() {
    let bench = Bench::new("");
    let worker = bench.work().await;
    let name = bench.queue.arn.rsplit(':').next().unwrap().to_owned();
    aws().sqs("DeleteQueue", &json!({ "QueueUrl": bench.queue.url })).unwrap();
    bench.until(|| !bench.told.troubles().is_empty()).await;
    assert!(bench.told.troubles()[0].contains("there is no such queue"), "{:?}", bench.told.troubles());
    let again = aws().create_queue(&name, &[("VisibilityTimeout", "600")]).unwrap();
    assert_eq!(again, bench.queue);
    let tasks = bench.add(&["x"]).await;
    send(&bench.queue, &announcement(tasks[0]), json!({}));
    bench.become_so(&[Status::Completed]).await;
    assert_eq!((bench.told.troubles().len(), bench.told.recoveries().len()), (1, 1), "said once");
    worker.stop().await;
}
