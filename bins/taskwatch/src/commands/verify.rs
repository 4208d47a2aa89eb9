//! `taskwatch verify`, and the printed books that `demo` ends with.

use clap::Args;
use taskwatch_core::laws::{Audit, BookLine, Books};
use taskwatch_core::ports::{Records, StoreError};

use crate::cli::Globals;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::out::{self, BAD, DIM, GOOD, styled};

/// Tasks that are in memory at the same time.
const PAGE: usize = 500;

#[derive(Debug, Args)]
#[command(after_help = "\
Recomputes everything from the ledger, each task at one instant, so it can run beside workers.
Ends with exit code 1 and the offending tasks if a law does not hold.")]
pub(crate) struct Verify {
    /// A JSON object with every line, count and offence
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let books = audit(&*store).await?;
        store.close().await;
        if self.json {
            out::json(&json(&books))?;
        } else {
            print(&books)?;
        }
        Ok(if books.balanced() { Exit::Done } else { Exit::Refused })
    }
}

/// Reads every task, page by page.
pub(crate) async fn audit(records: &dyn Records) -> Result<Books, StoreError> {
    let mut audit = Audit::new();
    let mut after = None;
    loop {
        let page = records.records(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(audit.finish()) };
        after = Some(last.task);
        page.iter().for_each(|record| audit.observe(record));
    }
}

/// The books, line by line, and what is wrong with them.
pub(crate) fn print(books: &Books) -> Result<(), Failed> {
    for line in &books.lines {
        let verdict = if line.balanced() { styled(GOOD, "balanced") } else { styled(BAD, "OUT OF BALANCE") };
        out::line(format_args!("{:<14} {verdict}", line.law))?;
        out::line(format_args!("    {}", side(&line.left)))?;
        out::line(format_args!("  = {}", side(&line.right)))?;
    }
    for (count, what) in [
        (books.unadopted, "rows of another program wait for their first touch"),
        (books.overwritten, "rows have been changed by another program since"),
        (books.deleted, "rows have been deleted by another program; their ledgers are left"),
    ] {
        if count > 0 {
            out::line(styled(DIM, format_args!("note: {count} {what}")))?;
        }
    }
    for offence in &books.offences {
        out::line(styled(BAD, offence))?;
    }
    let hidden = books.offences_found.saturating_sub(u64::try_from(books.offences.len()).unwrap_or(u64::MAX));
    if hidden > 0 {
        out::line(styled(BAD, format_args!("and {hidden} more")))?;
    }
    let verdict =
        if books.balanced() { styled(GOOD, "the books balance") } else { styled(BAD, "the books do not balance") };
    Ok(out::line(verdict)?)
}

/// The sum and its summands; those that are zero are left out.
fn side(terms: &[(String, u64)]) -> String {
    let sum: u64 = terms.iter().map(|(_, count)| count).sum();
    let shown: Vec<_> =
        terms.iter().filter(|(_, count)| *count > 0).map(|(label, count)| format!("{label} {count}")).collect();
    if shown.is_empty() { sum.to_string() } else { format!("{sum}: {}", shown.join(" + ")) }
}

fn json(books: &Books) -> serde_json::Value {
    let side = |terms: &[(String, u64)]| -> serde_json::Map<String, serde_json::Value> {
        terms.iter().map(|(label, count)| (label.clone(), (*count).into())).collect()
    };
    let line = |line: &BookLine| {
        serde_json::json!({
            "law": line.law.to_string(), "balanced": line.balanced(),
            "left": side(&line.left), "right": side(&line.right),
        })
    };
    let offences: Vec<_> = books
        .offences
        .iter()
        .map(
            |offence| serde_json::json!({ "law": offence.law.to_string(), "task": offence.task, "what": offence.what }),
        )
        .collect();
    let counts: serde_json::Map<_, _> =
        books.metrics.iter().map(|(metric, count)| (metric.name().to_owned(), (*count).into())).collect();
    let statuses: serde_json::Map<_, _> =
        books.statuses.iter().map(|(status, count)| (status.to_string(), (*count).into())).collect();
    serde_json::json!({
        "balanced": books.balanced(),
        "lines": books.lines.iter().map(line).collect::<Vec<_>>(),
        "offences": offences,
        "offences_found": books.offences_found,
        "metrics": counts,
        "statuses": statuses,
        "unadopted": books.unadopted,
        "overwritten": books.overwritten,
        "deleted": books.deleted,
    })
}
