//! Auto Scaling over the AWS SDK.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::types::LifecycleHook;
use taskwatch_aws::{AwsSettings, bounded, words};
use tokio::sync::OnceCell;

use crate::groups::{Action, CallError, Groups, Hook};

const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

/// With the credentials of the environment, which is read at the first call.
#[derive(Debug)]
pub(crate) struct AutoScaling {
    settings: AwsSettings,
    client: OnceCell<Client>,
}

impl AutoScaling {
    pub(crate) fn new(settings: AwsSettings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        let load = || async {
            let config = bounded(&self.settings.load().await).build();
            Client::new(&config)
        };
        self.client.get_or_init(load).await
    }
}

#[async_trait]
impl Groups for AutoScaling {
    async fn group_of(&self, instance: &str) -> Result<Option<String>, CallError> {
        let asked = self.client().await.describe_auto_scaling_instances().instance_ids(instance).send().await;
        let answer = asked.map_err(failed("autoscaling:DescribeAutoScalingInstances"))?;
        Ok(answer.auto_scaling_instances().first().and_then(|found| found.auto_scaling_group_name().map(str::to_owned)))
    }

    async fn hooks(&self, group: &str) -> Result<Vec<Hook>, CallError> {
        let asked = self.client().await.describe_lifecycle_hooks().auto_scaling_group_name(group).send().await;
        let answer = asked.map_err(failed("autoscaling:DescribeLifecycleHooks"))?;
        Ok(answer.lifecycle_hooks().iter().filter_map(hook).collect())
    }

    async fn heartbeat(&self, action: &Action) -> Result<(), CallError> {
        let call = self.client().await.record_lifecycle_action_heartbeat().lifecycle_hook_name(&action.hook);
        let call = call.auto_scaling_group_name(&action.group).instance_id(&action.instance);
        call.send().await.map(drop).map_err(failed("autoscaling:RecordLifecycleActionHeartbeat"))
    }

    async fn complete(&self, action: &Action) -> Result<(), CallError> {
        let call = self.client().await.complete_lifecycle_action().lifecycle_hook_name(&action.hook);
        let call = call.auto_scaling_group_name(&action.group).instance_id(&action.instance);
        let sent = call.lifecycle_action_result("CONTINUE").send().await;
        sent.map(drop).map_err(failed("autoscaling:CompleteLifecycleAction"))
    }
}

fn hook(hook: &LifecycleHook) -> Option<Hook> {
    let name = hook.lifecycle_hook_name().filter(|_| hook.lifecycle_transition() == Some(TERMINATING))?;
    let heartbeat = hook.heartbeat_timeout().and_then(|seconds| u64::try_from(seconds).ok());
    Some(Hook { name: name.to_owned(), heartbeat: heartbeat.map(Duration::from_secs) })
}

/// Sorts what a call failed with.
fn failed<E, R>(action: &'static str) -> impl FnOnce(SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    move |error| {
        let answer = error.as_service_error();
        let code = answer.and_then(ProvideErrorMetadata::code).map(str::to_owned);
        let why = words(code.as_deref(), answer.and_then(ProvideErrorMetadata::message), &error);
        match code.as_deref() {
            Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => {
                CallError::NotAllowed { action, why }
            }
            // «No active Lifecycle Action found with instance ID …». A hook or group that is not there says something else.
            Some("ValidationError") if why.contains("No active") => CallError::NotWaiting { action, why },
            _ => CallError::Failed { action, why },
        }
    }
}
