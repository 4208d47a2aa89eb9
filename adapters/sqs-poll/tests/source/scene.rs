//! A source on such a queue, and what is asked of it.

use std::sync::Arc;
use std::time::Duration;

use taskwatch_core::delivery::{Answer, Answered, Delivery, Why};
use taskwatch_core::ports::{EventSource as _, SourceError};
use taskwatch_core::stop::Stop;
use taskwatch_sqs_poll::{Options, Parts, Payloads, SqsSource};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::fake::Fake;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Longer than whatever happens at once.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

pub(crate) struct Scene {
    pub(crate) fake: Arc<Fake>,
    pub(crate) source: Arc<SqsSource>,
    stop: Option<oneshot::Sender<()>>,
}

pub(crate) type Received = JoinHandle<Result<Option<Vec<Delivery>>, SourceError>>;

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        Self::of("q", options)
    }

    pub(crate) fn fifo() -> Self {
        Self::of("q.fifo", Options::default())
    }

    pub(crate) fn of(queue: &str, options: Options) -> Self {
        Self::fetching(queue, options, None)
    }

    pub(crate) fn fetching(queue: &str, options: Options, payloads: Option<Arc<dyn Payloads>>) -> Self {
        let fake = Arc::new(Fake::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let stop_set = Stop::when(async {
            let _ = stopped.await;
        });
        let calls = fake.clone();
        let parts = Parts { calls, queue: queue.to_owned(), payloads, options, stop: stop_set };
        let source = Arc::new(SqsSource::start(parts).unwrap());
        Self { fake, source, stop: Some(stop) }
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn receive(&self, max: usize) -> Vec<Delivery> {
        self.source.receive(max).await.unwrap().unwrap()
    }

    /// So many, in however many receives.
    pub(crate) async fn receive_all(&self, count: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.receive(count - all.len()).await);
        }
        all
    }

    /// Begins to receive, and goes on.
    pub(crate) fn receiving(&self, max: usize) -> Received {
        let source = self.source.clone();
        tokio::spawn(async move { source.receive(max).await })
    }

    pub(crate) async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        self.source.answer(answers).await
    }

    /// Begins to answer, and goes on.
    pub(crate) fn answering(&self, answers: Vec<Answered>) -> JoinHandle<Result<(), SourceError>> {
        let source = self.source.clone();
        tokio::spawn(async move { source.answer(answers).await })
    }

    /// What is lost next.
    pub(crate) async fn source_lost(&self) -> Vec<String> {
        timeout(MINUTE * 60 * 24, self.source.lost()).await.expect("something is lost within a day")
    }

    /// What is lost within this time.
    pub(crate) async fn lost_within(&self, time: Duration) -> Vec<String> {
        timeout(time, self.source.lost()).await.unwrap_or_default()
    }
}

pub(crate) fn acknowledge(delivery: &Delivery) -> Answered {
    Answered { delivery: delivery.clone(), answer: Answer::Acknowledge, why: Why::Completed }
}

pub(crate) fn retry(delivery: &Delivery, after: Duration) -> Answered {
    answered(delivery, after, Why::WillRetry("busy".to_owned()))
}

pub(crate) fn answered(delivery: &Delivery, after: Duration, why: Why) -> Answered {
    Answered { delivery: delivery.clone(), answer: Answer::RetryAfter(after), why }
}

pub(crate) fn dead(delivery: &Delivery) -> Answered {
    let why = Why::Dead("never".to_owned());
    Answered { delivery: delivery.clone(), answer: Answer::DeadLetter, why }
}

pub(crate) fn tasks(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.task().unwrap().get()).collect()
}

/// Lets everything happen that takes no time.
pub(crate) async fn a_moment() {
    sleep(MOMENT).await;
}
