//! `taskwatch list`

use clap::Args;
use taskwatch_core::ports::{Filter, Records as _};
use taskwatch_core::task::{Status, TaskId};

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out::{self, DIM, status_style, styled};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch list --status Failed --status 'In Progress'
  taskwatch list --title invoice --limit 20
  taskwatch list --json | jq '.[].id'")]
pub(crate) struct List {
    /// Only this status (pending, in-progress, completed, failed, cancelled); may be repeated
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<Status>,
    /// Only titles that hold this text
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Only ids below this one: the next page
    #[arg(long, value_name = "ID", value_parser = super::task_id)]
    before: Option<TaskId>,
    /// A JSON array; times are microseconds since 1970, UTC, leases 16 hexadecimal digits
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let filter = Filter { statuses: self.status, title: self.title, before: self.before, limit };
        let rows = store.list(&filter).await?;
        store.close().await;
        if self.json {
            out::json(&serde_json::json!(rows))?;
            return Ok(Exit::Done);
        }
        let mut table = out::table(&["id", "status", "attempt", "due", "title", "reason"]);
        for row in &rows {
            table.add_row([
                row.id.to_string(),
                row.standing().to_string(),
                row.attempt.to_string(),
                out::time(row.due),
                out::excerpt(&row.title, 40),
                out::excerpt(row.reason.as_deref().unwrap_or_default(), 50),
            ]);
        }
        for (at, line) in table.to_string().lines().enumerate() {
            let style = at
                .checked_sub(out::TABLE_HEAD)
                .and_then(|at| rows.get(at))
                .map(|row| status_style(row.standing().known()));
            out::line(styled(style.unwrap_or(DIM), line))?;
        }
        match rows.last() {
            Some(last) if rows.len() == limit => {
                out::remark(format_args!("there may be more: --before {} shows the next page", last.id));
            }
            Some(_) => {}
            None => out::remark("no such tasks"),
        }
        Ok(Exit::Done)
    }
}

/// A status as people type it.
pub(crate) fn status(text: &str) -> Result<Status, String> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    Status::ALL
        .into_iter()
        .find(|status| plain(status.as_str()) == plain(text))
        .ok_or_else(|| "expected pending, in-progress, completed, failed or cancelled".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_taken_as_people_type_them() {
        for text in ["In Progress", "in-progress", "inprogress", "IN_PROGRESS"] {
            assert_eq!(status(text), Ok(Status::InProgress));
        }
        assert!(status("done").is_err());
    }
}
