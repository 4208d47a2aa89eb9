//! `taskwatch migrate`

use clap::Args;

use crate::cli::Globals;
use crate::exit::{Exit, Failed};
use crate::{database, out};

#[derive(Debug, Args)]
#[command(after_help = "\
Migrations only add, so programs that know the original table keep working. Two may run at once.
An SQLite file is made if it is not there, and every other command migrates it by itself.

On a server, whoever migrates needs the first of these rights, and everybody else the others.
DELETE is for announcements that have been published; nothing else is ever deleted:
  GRANT SELECT, INSERT, UPDATE, CREATE, ALTER ON taskmanager.* TO migrator@'%';
  GRANT SELECT, INSERT, UPDATE ON taskmanager.tasks TO worker@'%';
  GRANT SELECT, INSERT ON taskmanager.task_ledger TO worker@'%';
  GRANT SELECT, INSERT, UPDATE, DELETE ON taskmanager.task_outbox TO worker@'%';
  GRANT SELECT ON taskmanager.taskwatch_schema TO worker@'%';")]
pub(crate) struct Migrate {
    /// Only say whether the database is ready, and change nothing
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        if self.check {
            database::refuse_missing(&settings.database.place)?;
        }
        let store = database::connect(&settings).await?;
        let before = store.schema_version().await?;
        if !self.check {
            store.migrate().await?;
        }
        let health = store.check().await?;
        store.close().await;
        let place = &settings.database.place;
        out::line(format_args!("{place}: {}, {}, schema version {}", health.server, health.transport, health.schema))?;
        match before {
            same if same == health.schema => out::line("nothing to do")?,
            0 => out::line("the schema is new here")?,
            older => out::line(format_args!("migrated from version {older}"))?,
        }
        Ok(Exit::Done)
    }
}
