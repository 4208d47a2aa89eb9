//! The handle to the keeper: what the engine sees.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use taskwatch_core::delivery::{Answered, Delivery};
use taskwatch_core::ports::{EventSource, SourceError};
use taskwatch_core::stop::Stop;
use taskwatch_sqs_message::{Payloads, PolledQueue};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::calls::Calls;
use crate::keeper::{Command, Keeper};
use crate::options::{InvalidOptions, Options};

/// Longest time for the calls at the end.
const CLOSE: Duration = Duration::from_secs(10);

/// What a [`SqsSource`] is made of.
pub struct Parts {
    /// How SQS is called.
    pub calls: Arc<dyn PolledQueue>,
    /// Which queue: its ARN or its URL.
    pub queue: String,
    /// Who fetches the payloads of messages that point to one. Without it, those are dead letters.
    pub payloads: Option<Arc<dyn Payloads>>,
    /// The numbers.
    pub options: Options,
    /// When to begin no more polls: the same that the engine's drive is given.
    pub stop: Stop,
}

/// An SQS queue as an event source. See the crate's documentation for what it promises.
pub struct SqsSource {
    commands: mpsc::UnboundedSender<Command>,
    lost: Mutex<mpsc::UnboundedReceiver<Vec<String>>>,
    /// There is one demand at a time.
    turn: Mutex<()>,
    /// The keeper. Dropping it ends it, and with it all that is under way.
    _keeper: JoinSet<()>,
}

impl fmt::Debug for SqsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsSource").field("is_open", &!self.commands.is_closed()).finish_non_exhaustive()
    }
}

impl SqsSource {
    /// Starts the keeper. Nothing is called before the engine waits for messages.
    ///
    /// # Errors
    /// [`InvalidOptions`] names the number that cannot work.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time.
    pub fn start(parts: Parts) -> Result<Self, InvalidOptions> {
        let Parts { calls, queue, payloads, options, stop } = parts;
        let calls = Calls::new(calls, queue, payloads, options.checked()?);
        let (commands, asked) = mpsc::unbounded_channel();
        let (losses, lost) = mpsc::unbounded_channel();
        let mut keeper = JoinSet::new();
        keeper.spawn(Keeper::new(calls, asked, losses, stop).run());
        Ok(Self { commands, lost: Mutex::new(lost), turn: Mutex::new(()), _keeper: keeper })
    }

    /// Waits until nothing is kept or polled any more although nobody has closed it, as after a panic: a process that has
    /// nothing else to do ends then, and is started again.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Ends it, whether the stop is set or not: gives back what is still held, and waits for the calls that are under
    /// way, for 10 s at most. Without it they are cut off, and what is held comes again when its time is over.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).is_ok() {
            // An error says that there is no keeper any more, or that it takes too long.
            let _ = timeout(CLOSE, closed).await;
        }
    }
}

#[async_trait]
impl EventSource for SqsSource {
    async fn receive(&self, max: usize) -> Result<Option<Vec<Delivery>>, SourceError> {
        if max == 0 {
            return Ok(Some(Vec::new()));
        }
        let _turn = self.turn.lock().await;
        let (reply, replied) = oneshot::channel();
        self.commands.send(Command::Receive { max, reply }).map_err(|_| gone())?;
        replied.await.map_err(|_| gone())?
    }

    async fn answer(&self, answers: Vec<Answered>) -> Result<(), SourceError> {
        // Every answer keeps a sender until it has been passed on.
        let (failures, mut failed) = mpsc::unbounded_channel();
        self.commands.send(Command::Answer { answers, failures }).map_err(|_| gone())?;
        let mut first = None;
        while let Some(failure) = failed.recv().await {
            first.get_or_insert(failure);
        }
        match first {
            Some(failure) => Err(SourceError(failure)),
            None if self.commands.is_closed() => Err(gone()),
            None => Ok(()),
        }
    }

    /// Their visibility is renewed as long as it takes.
    fn keeps(&self) -> bool {
        true
    }

    async fn lost(&self) -> Vec<String> {
        match self.lost.lock().await.recv().await {
            Some(receipts) => receipts,
            None => std::future::pending().await,
        }
    }
}

fn gone() -> SourceError {
    SourceError("the task that keeps the queue's messages has ended".to_owned())
}
