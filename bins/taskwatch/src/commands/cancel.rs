//! `taskwatch cancel`

use clap::Args;
use taskwatch_core::ledger::Source;
use taskwatch_core::task::TaskId;

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::{out, work};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  taskwatch cancel 7 8 9 --reason 'the customer called'

A running task is told at the next renewal of its lease. Completed, failed and cancelled tasks
refuse: exit code 1.")]
pub(crate) struct Cancel {
    /// Which tasks
    #[arg(required = true, value_name = "ID", value_parser = super::task_id)]
    ids: Vec<TaskId>,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Cancel {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let engine = work::desk(&settings, store.clone(), Source::Local)?;
        let by = work::user_name();
        let reason = self.reason.map_or_else(|| format!("by {by}"), |reason| format!("by {by}: {reason}"));
        let acts = engine.cancel(&self.ids, &reason).await?;
        store.close().await;
        let mut exit = Exit::Done;
        for act in acts {
            match act.refused {
                None => out::line(format_args!("cancelled task {}", act.task))?,
                Some(why) => {
                    exit = Exit::Refused;
                    out::complain(&format!("task {}: {why}", act.task));
                }
            }
        }
        Ok(exit)
    }
}
