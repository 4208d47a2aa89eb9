//! A handler on a task of its own.

use std::panic::resume_unwind;
use std::sync::Arc;

use async_trait::async_trait;
use taskwatch_core::ports::{AttemptInfo, Failure, Handler};
use taskwatch_core::task::Task;
use tokio::task::JoinSet;

/// Runs each attempt of the handler inside on its own tokio task, so that one that blocks its thread does not hold up
/// the engine, which renews the leases of all others. Needs a runtime with more than one thread to be of use.
///
/// When the attempt is dropped, its task is aborted: what it awaits is dropped a moment later, on the runtime's own
/// time. Code that blocks is cut off only when it next awaits; nothing can stop it before. A panic inside comes out as
/// the same panic.
#[derive(Debug)]
pub struct Spawned<H>(Arc<H>);

impl<H> Spawned<H> {
    /// Wraps a handler.
    pub fn new(handler: H) -> Self {
        Self(Arc::new(handler))
    }
}

#[async_trait]
impl<H: Handler + 'static> Handler for Spawned<H> {
    async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
        let (handler, task, attempt) = (Arc::clone(&self.0), task.clone(), attempt.clone());
        // A set of one: dropping it aborts the task.
        let mut running = JoinSet::new();
        running.spawn(async move { handler.handle(&task, &attempt).await });
        match running.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // Nobody but the runtime can have aborted it.
            Some(Err(_)) | None => Err(Failure::retry("the runtime shut down in the middle of the attempt")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::mpsc;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::testing;

    struct Fails;

    #[async_trait]
    impl Handler for Fails {
        async fn handle(&self, task: &Task, attempt: &AttemptInfo) -> Result<(), Failure> {
            assert_ne!(attempt.number, 2, "as asked");
            Err(Failure::permanent(format!("{} on {:?}", task.title, tokio::task::try_id().is_some())))
        }
    }

    #[tokio::test]
    async fn the_outcome_comes_through_and_so_does_a_panic() {
        let handler = Spawned::new(Fails);
        let (task, attempt) = testing::attempt(1, 1);
        assert_eq!(handler.handle(&task, &attempt).await, Err(Failure::permanent("task 1 on true")));

        let (task, attempt) = testing::attempt(1, 2);
        let panic = AssertUnwindSafe(handler.handle(&task, &attempt)).catch_unwind().await;
        let payload = panic.expect_err("the handler panics");
        assert!(payload.downcast_ref::<String>().is_some_and(|text| text.contains("as asked")));
    }

    /// Says when it is dropped.
    struct Guard(mpsc::Sender<&'static str>);

    impl Drop for Guard {
        fn drop(&mut self) {
            // The test may be over.
            let _ = self.0.send("dropped");
        }
    }

    struct Hangs(mpsc::Sender<&'static str>);

    #[async_trait]
    impl Handler for Hangs {
        async fn handle(&self, _: &Task, _: &AttemptInfo) -> Result<(), Failure> {
            let _guard = Guard(self.0.clone());
            std::future::pending().await
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn dropping_the_attempt_drops_the_work() {
        let (sender, dropped) = mpsc::channel();
        let handler = Spawned::new(Hangs(sender));
        let (task, attempt) = testing::attempt(1, 1);
        let cut = tokio::time::timeout(Duration::from_millis(50), handler.handle(&task, &attempt)).await;
        assert!(cut.is_err());
        assert_eq!(dropped.recv_timeout(Duration::from_secs(20)), Ok("dropped"));
    }

    struct Blocks(std::sync::Mutex<mpsc::Receiver<()>>);

    #[async_trait]
    impl Handler for Blocks {
        async fn handle(&self, _: &Task, _: &AttemptInfo) -> Result<(), Failure> {
            let release = self.0.lock().expect("locked once").recv_timeout(Duration::from_secs(20));
            release.map_err(|_| Failure::permanent("the engine was held up"))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_handler_that_blocks_does_not_hold_up_its_caller() {
        let (release, released) = mpsc::channel();
        let handler = Spawned::new(Blocks(std::sync::Mutex::new(released)));
        let (task, attempt) = testing::attempt(1, 1);
        let heartbeat = async { release.send(()) };
        let (outcome, sent) = futures_util::future::join(handler.handle(&task, &attempt), heartbeat).await;
        assert_eq!((outcome, sent), (Ok(()), Ok(())));
    }
}
