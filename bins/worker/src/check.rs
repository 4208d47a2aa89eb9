//! `--check`: looks at everything that the worker will use, changes nothing, and says what it found, a line each.

use taskwatch_settings::{DeadLetters, Settings};
use taskwatch_sqs_message::CallError;
use taskwatch_sqs_queue::{QueueState, SqsQueues};
use taskwatch_wiring::{LookError, announce, queues};

use crate::cli::{self, Failed};
use crate::parts::{self, Parts};

/// All of it is looked at, even if the first is not as it should be; that is what the process ends with.
pub(crate) async fn check(settings: &Settings, parts: &Parts) -> Result<(), Failed> {
    let found = [database(settings, parts).await, look_at_queue(settings).await, topic(settings).await];
    found.into_iter().collect()
}

/// What is so.
fn good(what: &str) {
    cli::tell(&format!("ok    {what}"));
}

/// What works, but perhaps not as somebody thinks.
fn doubtful(what: &str) {
    cli::tell(&format!("warn  {what}"));
}

/// Told here, and once more as what ends the process.
fn bad(failed: Failed) -> Failed {
    cli::tell(&format!("FAIL  {failed}"));
    failed
}

async fn database(settings: &Settings, parts: &Parts) -> Result<(), Failed> {
    let look = async { Ok::<_, Failed>(parts.database.open().await?.check().await?) };
    let health = look.await.map_err(bad)?;
    let place = &settings.database.place;
    good(&format!("{place}: {}, {}, schema version {}", health.server, health.transport, health.schema));
    Ok(())
}

async fn look_at_queue(settings: &Settings) -> Result<(), Failed> {
    let queue = parts::queue(settings)?;
    let queues = queues(settings);
    match queues.look(queue).await {
        Ok(state) => {
            let QueueState { arn, visible, hidden, delayed, .. } = &state;
            good(&format!("{arn}: {visible} messages wait, {hidden} are at work, {delayed} are not due"));
            dead_letters(settings, &queues, &state).await;
            Ok(())
        }
        // Polling does not take that right, finding the dead-letter queue does.
        Err(error @ CallError::NotAllowed { .. }) => {
            doubtful(&format!("failed to {error}"));
            Ok(())
        }
        Err(error) => Err(bad(error.into())),
    }
}

/// Whether what nobody can work is put aside, and not before its attempts are used up.
async fn dead_letters(settings: &Settings, queues: &SqsQueues, state: &QueueState) {
    let Some(redrive) = &state.redrive else {
        doubtful("it has no redrive policy: a message that nobody can work comes again until its retention ends");
        return;
    };
    let (receives, attempts) = (redrive.max_receive_count, settings.worker.max_attempts);
    let dead = &redrive.dead_letters;
    if receives <= attempts {
        doubtful(&format!(
            "SQS gives a message up after {receives} receives, and a task may take {attempts} attempts \
             (worker.max_attempts): raise maxReceiveCount above that"
        ));
    }
    if settings.queue.dead_letters == DeadLetters::Send {
        match queues.look(dead).await {
            Ok(state) => good(&format!("{dead}, its dead-letter queue: {} messages", state.visible)),
            Err(error) => doubtful(&format!("its dead-letter queue: failed to {error}")),
        }
    }
}

async fn topic(settings: &Settings) -> Result<(), Failed> {
    let Some(announce) = announce(settings).await? else { return Ok(()) };
    match announce.look().await {
        Ok(()) => {
            good(&format!("{}: there to announce tasks to", announce.target()));
            Ok(())
        }
        Err(error @ LookError::NotAllowed { .. }) => {
            doubtful(&format!("failed to {error}"));
            Ok(())
        }
        Err(error) => Err(bad(error.into())),
    }
}
