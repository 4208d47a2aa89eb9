//! The example does what it says.

#[path = "../examples/own_handler.rs"]
#[expect(dead_code, reason = "the test takes the place of its main")]
mod example;

use taskwatch_core::task::Status;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_task_of_the_example_ends_as_its_file_deserves() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rows = example::work(folder.path()).await.expect("it works");
    rows.sort_by_key(|row| row.id);
    let ends: Vec<_> = rows.iter().map(|row| (row.status.known(), row.attempt)).collect();
    let failed = Some(Status::Failed);
    assert_eq!(ends, [(Some(Status::Completed), 1), (failed, 3), (failed, 1)]);
    let reason = |at: usize| rows[at].reason.as_deref().unwrap_or_default();
    assert!(reason(1).contains("missing.txt") && reason(2).contains("names no file"), "{rows:?}");
}
