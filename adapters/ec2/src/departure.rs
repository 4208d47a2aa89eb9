//! Keeps the instance's group waiting as long as there is work, and tells it then that the instance may go.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use taskwatch_core::ports::Clock;
use tokio::sync::OnceCell;
use tracing::{debug, info, warn};

use crate::AwsSettings;
use crate::calls::AutoScaling;
use crate::groups::{Action, CallError, Groups, Hook};
use crate::metadata::AskError;
use crate::watch::Watch;

/// How long [`Departure::complete`] takes at most.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Half of the shortest time that a hook can have: how often a group hears of us whose hook's time is not known.
const OFTEN: Duration = Duration::from_secs(15);
/// Between two tries to complete an action. The group may not have come as far as to wait for it.
const PAUSE: Duration = Duration::from_secs(2);

/// The instance's way out of its Auto Scaling group, where it is on it.
pub struct Departure {
    watch: Watch,
    groups: Arc<dyn Groups>,
    hook: Option<String>,
    clock: Arc<dyn Clock>,
    found: OnceCell<Option<Waits>>,
    said: Mutex<BTreeSet<String>>,
}

/// What waits for us.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waits {
    action: Action,
    /// How often it must hear of us.
    beat: Duration,
}

/// Why the way out is not found or not opened; to follow «failed to».
#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl EndError {
    /// Whether asking again is of no use.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Call(CallError::NotAllowed { .. }))
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").field("watch", &self.watch).field("hook", &self.hook).finish_non_exhaustive()
    }
}

impl Departure {
    /// Of the instance that `watch` looks at. `hook` names the group's lifecycle hook that is ours; without it, the group is
    /// asked. Nobody is called before the group takes the instance out.
    #[must_use]
    pub fn new(watch: &Watch, aws: AwsSettings, hook: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self::over(watch, Arc::new(AutoScaling::new(aws)), hook, clock)
    }

    pub(crate) fn over(watch: &Watch, groups: Arc<dyn Groups>, hook: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self { watch: watch.clone(), groups, hook, clock, found: OnceCell::new(), said: Mutex::default() }
    }

    /// Has the group wait, once it takes the instance out, for as long as this is polled. Never ends.
    pub async fn hold(&self) -> Infallible {
        self.watch.leaves_group().await;
        loop {
            let pause = match self.found().await {
                Ok(Some(waits)) => waits.beat,
                Ok(None) => return std::future::pending().await,
                Err(error) => {
                    // What may come right by itself is not worth a line yet.
                    if error.is_final() {
                        self.say(&format!("failed to {error}; {LEFT}"));
                    }
                    OFTEN
                }
            };
            self.clock.sleep(pause).await;
            if let Ok(Some(waits)) = self.found().await {
                self.beat(&waits.action).await;
            }
        }
    }

    async fn beat(&self, action: &Action) {
        match self.groups.heartbeat(action).await {
            Ok(()) => debug!(group = action.group, hook = action.hook, "the group waits on"),
            Err(error @ CallError::NotWaiting { .. }) => debug!("failed to {error}"),
            Err(error) => self.say(&format!("the group may not wait to the end of the work: failed to {error}")),
        }
    }

    /// Tells the group, if it takes the instance out, that nothing is left to wait for: [`LIMIT`] at most. What does not
    /// succeed is logged, and left to the hook's own time.
    pub async fn complete(&self) {
        if !self.watch.has_left_group() {
            return;
        }
        let limit = std::pin::pin!(self.clock.sleep(LIMIT));
        let completed = std::pin::pin!(self.try_to_complete());
        if let Either::Right(_) = select(completed, limit).await {
            self.say(&format!("the lifecycle action is not completed after {LIMIT:?}; {LEFT}"));
        }
    }

    async fn try_to_complete(&self) {
        for last in [false, false, true] {
            match self.complete_once().await {
                Ok(None) => return,
                Ok(Some(Action { group, hook, .. })) => return info!(group, hook, "lifecycle action completed"),
                Err(EndError::Call(error @ CallError::NotWaiting { .. })) if last => {
                    return info!("no lifecycle action to complete: failed to {error}");
                }
                Err(error) if last || error.is_final() => return self.say(&format!("failed to {error}; {LEFT}")),
                Err(_) => self.clock.sleep(PAUSE).await,
            }
        }
    }

    async fn complete_once(&self) -> Result<Option<&Action>, EndError> {
        let Some(Waits { action, .. }) = self.found().await? else { return Ok(None) };
        self.groups.complete(action).await?;
        Ok(Some(action))
    }

    /// What waits, asked until somebody has answered.
    async fn found(&self) -> Result<Option<&Waits>, EndError> {
        self.found.get_or_try_init(|| self.find()).await.map(Option::as_ref)
    }

    async fn find(&self) -> Result<Option<Waits>, EndError> {
        let instance = self.watch.instance().await?;
        let Some(group) = self.groups.group_of(&instance).await? else {
            info!(instance, "no Auto Scaling group has this instance: nobody waits");
            return Ok(None);
        };
        let hook = match &self.hook {
            Some(name) => Hook { name: name.clone(), heartbeat: None },
            None => match <[Hook; 1]>::try_from(self.groups.hooks(&group).await?) {
                Ok([hook]) => hook,
                Err(hooks) if hooks.is_empty() => {
                    debug!(group, "no lifecycle hook: nobody waits");
                    return Ok(None);
                }
                Err(hooks) => {
                    let names: Vec<_> = hooks.iter().map(|hook| hook.name.as_str()).collect();
                    let names = names.join(", ");
                    warn!(group, "several lifecycle hooks ({names}), name ours in worker.lifecycle_hook; {LEFT}");
                    return Ok(None);
                }
            },
        };
        let beat = hook.heartbeat.map_or(OFTEN, |time| (time / 2).max(OFTEN));
        Ok(Some(Waits { action: Action { instance, group, hook: hook.name }, beat }))
    }

    /// Once, in the same words.
    fn say(&self, what: &str) {
        // Nothing panics while it holds it.
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(what.to_owned()) {
            warn!("{what}");
        }
    }
}

const LEFT: &str = "if the group waits for one, it does so until the hook's own time is over";

#[cfg(test)]
mod tests;
