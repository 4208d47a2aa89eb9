//! `taskwatch add`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use taskwatch_core::ledger::Source;
use taskwatch_core::ports::Inserted;
use taskwatch_core::task::{NewTask, OnAbandon};
use taskwatch_core::time::Timestamp;
use taskwatch_wiring::Announcing;

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::{out, work};

/// How many tasks one transaction inserts.
const BATCH: usize = 500;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch add 'Send the invoice' --description 'No. 4711' --key invoice-4711
  taskwatch add 'Nightly report' --not-before 2026-12-01T02:00:00Z --max-attempts 3
  taskwatch add 'Try again later' --not-before 10m --on-abandon fail")]
pub(crate) struct Add {
    /// What is to be done, in a line of at most 255 characters
    title: String,
    /// The rest of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Not to be started before: a time such as 2026-12-01T02:00:00Z, or a wait such as 10m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<Timestamp>,
    /// How often to try at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: Option<u32>,
    /// What to do when a worker vanishes in mid-task: `fail` is for work that must not run twice
    #[arg(long, value_name = "retry|fail")]
    on_abandon: Option<OnAbandon>,
    /// Adding the same key again adds nothing and names the first task
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Add this many tasks of the same kind
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "key")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// One JSON object a line: task_id and whether it was added
    #[arg(long)]
    json: bool,
}

impl Add {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        if self.title.trim().is_empty() {
            return Err(Failed::Usage("the title is empty: say what is to be done".into()));
        }
        let settings = globals.settings(Vec::new())?;
        let announcing = Announcing::of(&settings).await?;
        let store = database::open(&settings, Missing::Create).await?;
        let engine = work::desk(&settings, store.clone(), Source::Local)?;
        let relay = work::relay(announcing, &settings, store.clone());
        let task = NewTask {
            title: self.title,
            description: self.description,
            not_before: self.not_before,
            max_attempts: self.max_attempts,
            on_abandon: self.on_abandon.unwrap_or_default(),
            idempotency_key: self.key,
            trace: None,
        };
        taskwatch_sql_store::check_task(&task)
            .map_err(|misfit| Failed::Usage(format!("failed to add the task: {misfit}")))?;
        let mut left = usize::try_from(self.count).unwrap_or(usize::MAX);
        while left > 0 {
            let batch = vec![task.clone(); left.min(BATCH)];
            left -= batch.len();
            let inserted = engine.add(&batch).await?;
            for one in &inserted {
                let added = matches!(one, Inserted::Added(_));
                match (self.json, added) {
                    (true, _) => out::line(serde_json::json!({ "task_id": one.task(), "added": added }))?,
                    (false, true) => out::line(format_args!("added task {}", one.task()))?,
                    (false, false) => out::line(format_args!("task {} has this key already", one.task()))?,
                }
            }
        }
        if let Some(relay) = relay {
            // Its observer has told what went wrong; the tasks are there, and a later sweep announces them.
            let _ = relay.sweep().await;
        }
        store.close().await;
        Ok(Exit::Done)
    }
}

/// A point in time, or a wait from now on.
fn moment(text: &str) -> Result<Timestamp, String> {
    let time = match humantime::parse_duration(text) {
        Ok(wait) => SystemTime::now().checked_add(wait),
        Err(_) => humantime::parse_rfc3339_weak(text).ok(),
    };
    let since: Option<Duration> = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since
        .map(|since| Timestamp::EPOCH + since)
        .ok_or_else(|| "expected a UTC time such as 2026-12-01T02:00:00Z, or a wait such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_waits() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(Timestamp::from_micros(1_000_000)));
        assert!(moment("10m").unwrap() > moment("9m").unwrap());
        assert!(moment("tomorrow").is_err());
    }
}
