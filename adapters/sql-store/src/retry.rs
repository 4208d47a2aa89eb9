//! Repeats what the database has rolled back, and what never reached it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::error::Fault;

/// After this long no repetition begins: each may have waited for a lock, and the caller has a lease to keep.
const PATIENCE: Duration = Duration::from_secs(15);

/// Repeats `attempt` a few times, with jitter, while it was rolled back, and once when its connection turned out dead
/// before anything was written.
///
/// Never repeats a lost commit: only whoever decides can tell from the rows whether it was written.
pub(crate) async fn retrying<T, F, Fut>(attempt: F) -> Result<T, Fault>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Fault>>,
{
    let policy = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(4))
        .with_max_delay(Duration::from_millis(400))
        .with_max_times(7)
        .with_jitter();
    let mut reconnected = false;
    let started = tokio::time::Instant::now();
    attempt
        .retry(policy)
        .sleep(tokio::time::sleep)
        .when(|fault| match fault {
            Fault::Again(_) => started.elapsed() < PATIENCE,
            Fault::Lost(_) => !std::mem::replace(&mut reconnected, true),
            Fault::Unavailable(_) | Fault::Unknown(_) | Fault::Refused(_) => false,
        })
        .notify(|fault, after| tracing::debug!(fault = fault.message(), ?after, "repeating a database transaction"))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    async fn attempts(fault: impl Fn(u32) -> Option<Fault>) -> (u32, Result<(), Fault>) {
        let count = AtomicU32::new(0);
        let result = retrying(|| {
            let answer = fault(count.fetch_add(1, Ordering::Relaxed) + 1);
            async move { answer.map_or(Ok(()), Err) }
        })
        .await;
        (count.into_inner(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_each_attempt_takes_long() {
        let count = AtomicU32::new(0);
        let slow = || async {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(10)).await;
            Err::<(), _>(Fault::Again("lock wait".into()))
        };
        assert!(matches!(retrying(slow).await, Err(Fault::Again(_))));
        assert_eq!(count.into_inner(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_only_what_cannot_have_been_written() {
        assert!(matches!(attempts(|n| (n < 4).then(|| Fault::Again("deadlock".into()))).await, (4, Ok(()))));
        assert!(matches!(attempts(|_| Some(Fault::Again("deadlock".into()))).await, (8, Err(Fault::Again(_)))));
        assert!(matches!(attempts(|n| (n < 2).then(|| Fault::Lost("stale".into()))).await, (2, Ok(()))));
        assert!(matches!(attempts(|_| Some(Fault::Lost("gone".into()))).await, (2, Err(Fault::Lost(_)))));
        assert!(matches!(attempts(|_| Some(Fault::Unknown("commit".into()))).await, (1, Err(Fault::Unknown(_)))));
        assert!(matches!(attempts(|_| Some(Fault::Refused("no table".into()))).await, (1, Err(Fault::Refused(_)))));
    }
}
