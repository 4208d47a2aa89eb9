//! `taskwatch settings`

use clap::Args;

use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::out;

#[derive(Debug, Args)]
#[command(after_help = "\
A setting is given by a flag (--set worker.lease=90s), by a variable
(TASKWATCH_WORKER_LEASE=90s) or in a TOML file (taskwatch.toml, or --config): the first of
these that has it counts.")]
pub(crate) struct ShowSettings {
    /// What there is to set, as a Markdown table with defaults and meanings
    #[arg(long)]
    markdown: bool,
}

impl ShowSettings {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        if self.markdown {
            out::raw(taskwatch_settings::markdown_table().as_bytes())?;
            return Ok(Exit::Done);
        }
        let settings = globals.settings(Vec::new())?;
        let mut table = out::table(&["setting", "value", "from"]);
        for setting in settings.effective() {
            let value = setting.value.as_deref().map(out::tame).unwrap_or_default();
            table.add_row([setting.key.to_owned(), value, setting.origin.to_string()]);
        }
        out::line(table)?;
        Ok(Exit::Done)
    }
}
