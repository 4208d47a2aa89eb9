//! `taskwatch replay`

mod act;
mod dry;
mod journals;
mod tell;

use std::time::Duration;

use clap::Args;
use taskwatch_replay::run::{Rate, Rules};
use taskwatch_replay::{Edit, Filter};
use taskwatch_settings::Settings;

use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::filter::FilterArgs;
use crate::letters::SourceArgs;
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
Without --yes it looks and says what it would do. Each letter is first judged by its task's row
and ledger: what was completed or cancelled meanwhile is dropped, what nobody can work is left
alone, and what may have run half is left alone where the task must not run twice. Failed tasks
are put back, by whom and why.

With --yes, the messages of a queue are first moved into a journal on this machine; they leave
the queue only when they are there. Interrupted or killed, the same command goes on where it
was. What is not replayed stays in the journal: --status shows it, --abandon puts it back.

Examples:
  taskwatch replay arn:aws:sqs:eu-west-1:123456789012:tasks-dead
  taskwatch replay QUEUE --cause timeout --limit 10 --to-queue --reason 'it is back' --yes
  taskwatch replay QUEUE --query \"priority=='high'\" --rate 20/s --yes --command -- ./work
  taskwatch replay dead.jsonl --class failed --edit '{\"region\": \"eu-west-1\"}' --to QUEUE --yes
  aws sqs receive-message ... | taskwatch replay - --yes --http https://work.example/")]
pub(crate) struct Replay {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Do it
    #[arg(long, short = 'y')]
    yes: bool,
    /// Replay at most this many letters
    #[arg(long, value_name = "N", help_heading = "Doing it")]
    limit: Option<u64>,
    /// Replay so many letters in a time, such as 50/s, 100/m or 1000/h [default: as fast as they go]
    #[arg(long, value_name = "N/TIME", help_heading = "Doing it")]
    rate: Option<Rate>,
    /// Change each body: a JSON object is merged into it (RFC 7396), anything else is a JMESPath expression that makes
    /// the new one
    #[arg(long, value_name = "JSON|JMESPATH", value_parser = edit, help_heading = "Doing it")]
    edit: Option<Edit>,
    /// Send the letters back to the queue that they came from, instead of working them here
    #[arg(long, help_heading = "Doing it")]
    to_queue: bool,
    /// Send the letters to this queue, by ARN or URL
    #[arg(long, value_name = "QUEUE", conflicts_with = "to_queue", help_heading = "Doing it")]
    to: Option<String>,
    /// Also tasks that must not run twice and may have run half
    #[arg(long, help_heading = "Doing it")]
    uncertain: bool,
    /// Also letters whose tasks failed again when they were replayed
    #[arg(long, help_heading = "Doing it")]
    again: bool,
    /// Wait so long for a task's next attempt, or for a lease to end; what takes longer stays in the journal
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration,
          help_heading = "Doing it")]
    wait: Duration,
    /// Who does it [default: the user]
    #[arg(long, value_name = "NAME", help_heading = "Doing it")]
    by: Option<String>,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", help_heading = "Doing it")]
    reason: Option<String>,
    /// Look at so many messages of a queue
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "yes")]
    look: u64,
    /// One JSON object per letter, and one for the summary
    #[arg(long)]
    json: bool,
    /// Show the journals, or that of SOURCE, and how far they are
    #[arg(long, conflicts_with_all = ["yes", "abandon"])]
    status: bool,
    /// Put all that is left in the journal of SOURCE back on its queue
    #[arg(long, conflicts_with = "yes")]
    abandon: bool,
    #[command(flatten)]
    work: work::WorkArgs,
}

impl Replay {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let mut settings = globals.settings(self.work.overrides())?;
        if self.status {
            return journals::status(&self.source, &settings, self.json).await;
        }
        if self.abandon {
            return journals::abandon(&self.source, &settings, self.by.as_deref(), self.reason.as_deref()).await;
        }
        // The letter is the announcement.
        settings.announce.target = None;
        if self.yes { self.act(&settings).await } else { self.look(&settings).await }
    }

    fn filter(&self) -> Filter {
        self.filter.filter()
    }

    fn rules(&self, settings: &Settings) -> Rules {
        Rules { max_replays: settings.replay.max_replays, uncertain: self.uncertain, to_queue: self.goes_to_queue() }
    }

    fn goes_to_queue(&self) -> bool {
        self.to_queue || self.to.is_some()
    }
}

fn edit(text: &str) -> Result<Edit, String> {
    Edit::parse(text).map_err(|why| why.to_string())
}
