//! `taskwatch dlq`

mod archive;
mod away;
mod bars;
mod json;
mod list;
mod purge;
mod show;
mod stats;
mod walk;

use clap::{Args, Subcommand};

use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::filter::FilterArgs;
use crate::letters::SourceArgs;

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Dead letters are on a queue, in a file, or in the journal into which replay, archive and purge
take them with --yes. SQS has no way to look at a message without receiving it: whoever looks at
a queue hides its messages for a moment, and counts as one of their receives.

Examples:
  taskwatch dlq list arn:aws:sqs:eu-west-1:123456789012:tasks-dead --class failed
  taskwatch dlq show dead.jsonl --letter 7
  taskwatch dlq stats https://sqs.eu-west-1.amazonaws.com/123456789012/tasks-dead
  taskwatch dlq archive QUEUE --to letters.jsonl --older-than 3days --yes
  taskwatch dlq purge QUEUE --class completed --class cancelled --yes")]
pub(crate) struct Dlq {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List dead letters, each with what has become of its task
    List(list::List),
    /// Show all of a letter: its body, its attributes, its task and that task's ledger
    Show(show::Show),
    /// Count letters by reason, class, age of their task, and day
    Stats(stats::Stats),
    /// Write letters to a file of JSON lines, which replay reads
    Archive(archive::Archive),
    /// Do away with letters, once they are archived
    Purge(purge::Purge),
}

impl Dlq {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        match self.what {
            What::List(args) => args.run(globals).await,
            What::Show(args) => args.run(globals).await,
            What::Stats(args) => args.run(globals).await,
            What::Archive(args) => args.run(globals).await,
            What::Purge(args) => args.run(globals).await,
        }
    }
}

/// Which letters of which source.
#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Look at so many messages of a queue
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Which letters")]
    look: u64,
}
