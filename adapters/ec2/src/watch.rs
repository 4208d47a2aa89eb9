//! Asks the metadata again and again, and tells those who wait for a notice.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use taskwatch_core::ports::Clock;
use taskwatch_core::time::Timestamp;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::metadata::{AskError, Imds, Metadata};
use crate::notice::{Notice, Outlook, is_rest, spot};

/// How often the metadata are asked, as EC2's documentation recommends for Spot instances.
pub const EVERY: Duration = Duration::from_secs(5);
/// When they are asked again that have never answered. After that, there are none.
const FIRST: [Duration; 3] = [EVERY, Duration::from_secs(10), Duration::from_secs(30)];
/// So many rounds in a row without an answer are a trouble worth a line.
const TROUBLE: u32 = 3;

const SPOT: &str = "spot/instance-action";
const TARGET: &str = "autoscaling/target-lifecycle-state";
const REBALANCE: &str = "events/recommendations/rebalance";

/// Waits for a notice; clones wait for the same.
#[derive(Clone)]
pub struct Watch {
    outlook: watch::Receiver<Outlook>,
    metadata: Option<Arc<dyn Metadata>>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("outlook", &*self.outlook.borrow()).finish_non_exhaustive()
    }
}

impl Watch {
    /// Asks from now on, in the background and as long as the runtime lives. Needs a runtime.
    #[must_use]
    pub fn start(clock: Arc<dyn Clock>) -> Self {
        let Some(imds) = Imds::of_environment() else {
            debug!("no notices of EC2: AWS_EC2_METADATA_DISABLED");
            return Self::off(clock);
        };
        let (watch, watching) = Self::over(Arc::new(imds), clock);
        tokio::spawn(watching);
        watch
    }

    /// Never asks; there is never a notice.
    #[must_use]
    pub fn off(clock: Arc<dyn Clock>) -> Self {
        let (_, outlook) = watch::channel(Outlook::default());
        Self { outlook, metadata: None, clock }
    }

    /// The same and what asks, which ends where there is nobody to ask.
    pub(crate) fn over(
        metadata: Arc<dyn Metadata>,
        clock: Arc<dyn Clock>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (teller, outlook) = watch::channel(Outlook::default());
        let watch = Self { outlook, metadata: Some(metadata.clone()), clock: clock.clone() };
        let round = Round { metadata, clock, teller };
        let watching = async move {
            if let Err(error) = round.first().await {
                debug!("no notices of EC2, there is nobody to ask: failed to {error}");
                return;
            }
            match round.again_and_again().await {}
        };
        (watch, watching)
    }

    /// The notice that there has been, if there has.
    #[must_use]
    pub fn noticed(&self) -> Option<Notice> {
        self.outlook.borrow().notice()
    }

    /// Waits for a notice that the instance is about to go.
    pub async fn notice(&self) -> Notice {
        self.wait_for(Outlook::notice).await
    }

    /// Waits until this long before the end of the instance, where a notice says when that is.
    pub async fn time_is_up(&self, before: Duration) {
        let (_, at) = self.wait_for(|outlook| outlook.spot.clone()).await;
        // In pieces: the clock may be set meanwhile.
        loop {
            match at.minus(before).since(self.clock.now()) {
                Duration::ZERO => return,
                left => self.clock.sleep(left.min(EVERY)).await,
            }
        }
    }

    /// Waits until the group is taking the instance out.
    pub(crate) async fn leaves_group(&self) {
        self.wait_for(|outlook| outlook.leaves_group().then_some(())).await;
    }

    /// Whether the group is taking the instance out.
    pub(crate) fn has_left_group(&self) -> bool {
        self.outlook.borrow().leaves_group()
    }

    /// Asks for the instance's id.
    pub(crate) async fn instance(&self) -> Result<String, AskError> {
        let path = "instance-id";
        let missing = || AskError { path: path.to_owned(), why: "there is none".to_owned() };
        let metadata = self.metadata.as_ref().ok_or_else(missing)?;
        metadata.get(path).await?.ok_or_else(missing)
    }

    async fn wait_for<T>(&self, what: impl Fn(&Outlook) -> Option<T>) -> T {
        let mut outlook = self.outlook.clone();
        loop {
            if let Some(found) = what(&outlook.borrow_and_update()) {
                return found;
            }
            if outlook.changed().await.is_err() {
                // Nobody asks.
                std::future::pending::<Infallible>().await;
            }
        }
    }
}

struct Round {
    metadata: Arc<dyn Metadata>,
    clock: Arc<dyn Clock>,
    teller: watch::Sender<Outlook>,
}

impl Round {
    /// Finds out whether there is anybody to ask. The network of a machine that has just started may not be there yet.
    async fn first(&self) -> Result<(), AskError> {
        for pause in FIRST {
            if self.ask().await.answered {
                return Ok(());
            }
            self.clock.sleep(pause).await;
        }
        match self.ask().await {
            Asked { answered: false, error: Some(error) } => Err(error),
            Asked { .. } => Ok(()),
        }
    }

    async fn again_and_again(&self) -> Infallible {
        let mut failures: u32 = 0;
        loop {
            self.clock.sleep(EVERY).await;
            match self.ask().await.error {
                None => {
                    if failures >= TROUBLE {
                        info!("recovered: the instance metadata answer again");
                    }
                    failures = 0;
                }
                Some(error) => {
                    failures = failures.saturating_add(1);
                    if failures == TROUBLE {
                        warn!("notices of EC2 are not heard at present: failed to {error}");
                    }
                }
            }
        }
    }

    /// One round. What one question brings counts even where another has failed. What has been said is not asked again.
    async fn ask(&self) -> Asked {
        let before = self.teller.borrow().clone();
        let mut now = before.clone();
        let mut asked = Asked::default();
        if now.spot.is_none() {
            now.spot = asked.heard(self.spot().await).flatten();
        }
        if !now.leaves_group() {
            let target = asked.heard(self.metadata.get(TARGET).await);
            now.target = target.unwrap_or(now.target);
        }
        if !now.is_rebalanced && now.notice().is_none() {
            now.is_rebalanced = asked.heard(self.metadata.get(REBALANCE).await).flatten().is_some();
        }
        self.tell(&before, now);
        asked
    }

    async fn spot(&self) -> Result<Option<(String, Timestamp)>, AskError> {
        let Some(json) = self.metadata.get(SPOT).await? else { return Ok(None) };
        let unreadable = || AskError { path: SPOT.to_owned(), why: "the answer is no notice".to_owned() };
        spot(&json, self.clock.now()).map(Some).ok_or_else(unreadable)
    }

    fn tell(&self, before: &Outlook, now: Outlook) {
        if *before == now {
            return;
        }
        if now.is_rebalanced && !before.is_rebalanced {
            info!("EC2 says that this Spot instance is likelier to be taken back from now on");
        }
        if let Some(target) = now.target.as_deref().filter(|target| is_rest(target))
            && before.target != now.target
        {
            info!("the Auto Scaling group moves the instance to {target}: the work goes on");
        }
        self.teller.send_replace(now);
    }
}

/// How a round of questions went.
#[derive(Debug, Default)]
struct Asked {
    /// Somebody is there.
    answered: bool,
    /// What went wrong first.
    error: Option<AskError>,
}

impl Asked {
    fn heard<T>(&mut self, answer: Result<T, AskError>) -> Option<T> {
        match answer {
            Ok(said) => {
                self.answered = true;
                Some(said)
            }
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
