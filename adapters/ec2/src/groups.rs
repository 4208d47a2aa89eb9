//! What is asked of Auto Scaling.

use std::time::Duration;

use async_trait::async_trait;

/// An instance's group waits, as one of its hooks says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) instance: String,
    pub(crate) group: String,
    pub(crate) hook: String,
}

/// A hook for instances that leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) name: String,
    /// How long the group waits for a sign of life.
    pub(crate) heartbeat: Option<Duration>,
}

/// Auto Scaling groups and their lifecycle hooks. Each call ends within seconds.
#[async_trait]
pub(crate) trait Groups: Send + Sync {
    /// The instance's group; `None` if it is in none.
    async fn group_of(&self, instance: &str) -> Result<Option<String>, CallError>;

    /// The group's hooks for instances that leave it.
    async fn hooks(&self, group: &str) -> Result<Vec<Hook>, CallError>;

    /// Has the group wait for another [`Hook::heartbeat`].
    async fn heartbeat(&self, action: &Action) -> Result<(), CallError>;

    /// Lets the instance go on leaving.
    async fn complete(&self, action: &Action) -> Result<(), CallError>;
}

/// Why a call failed; to follow «failed to».
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The instance's role may not.
    #[error("call {action}, which the role of this instance does not allow: {why}")]
    NotAllowed {
        /// As a policy names it.
        action: &'static str,
        /// The other side's words.
        why: String,
    },
    /// There is no such action, or none yet, or no longer.
    #[error("call {action}: {why}")]
    NotWaiting {
        /// As a policy names it.
        action: &'static str,
        /// The other side's words.
        why: String,
    },
    /// Network, credentials, throttling.
    #[error("call {action}: {why}")]
    Failed {
        /// As a policy names it.
        action: &'static str,
        /// The other side's words, or what is under the error.
        why: String,
    },
}
