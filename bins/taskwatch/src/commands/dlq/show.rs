//! `taskwatch dlq show`

use clap::Args;
use taskwatch_core::ports::{Clock as _, Records};
use taskwatch_core::task::TaskId;
use taskwatch_handlers::TokioClock;
use taskwatch_replay::journal::{Content, Entry, EntryNumber};
use taskwatch_replay::{Decoded, Filter, cause};

use super::walk::{One, Walk};
use super::{json, list};
use crate::cli::Globals;
use crate::commands::show as task;
use crate::database::{self, Missing};
use crate::exit::{Exit, Failed};
use crate::letters::{SourceArgs, Whence};
use crate::out::{self, DIM, STRONG, styled};
use crate::work;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taskwatch dlq show dead.jsonl --letter 7
  taskwatch dlq show QUEUE --letter 8f3c2a1e-0d5b-4a6f-9a53-2f8f6f0f6d11
  taskwatch dlq show QUEUE --task 41 --json
  taskwatch dlq show QUEUE --task 41 --raw > body.json")]
#[command(group(clap::ArgGroup::new("meant").required(true).multiple(true)))]
pub(crate) struct Show {
    #[command(flatten)]
    source: SourceArgs,
    /// The letter's number in the journal, or the id of its message
    #[arg(long, short, value_name = "LETTER", group = "meant", value_parser = meant)]
    letter: Option<Meant>,
    /// All letters of this task
    #[arg(long, value_name = "ID", group = "meant", value_parser = crate::commands::task_id)]
    task: Option<TaskId>,
    /// The body alone, byte for byte as it was captured; a line end between several
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// One JSON object per letter, with its task's row and ledger; times are microseconds since 1970, UTC
    #[arg(long)]
    json: bool,
    /// Look at so many messages of a queue
    #[arg(long, value_name = "N", default_value_t = 1000)]
    look: u64,
}

/// How a letter is named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    Number(EntryNumber),
    Message(String),
}

fn meant(text: &str) -> Result<Meant, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.strip_prefix('q').is_some_and(is_number) {
        return Err("what is still on a queue has another number at each look: give the id of its message".to_owned());
    }
    match text.parse::<i64>() {
        Ok(number) if is_number(text) => Ok(Meant::Number(number.into())),
        _ if text.is_empty() => Err("expected a number, or the id of a message".to_owned()),
        _ => Ok(Meant::Message(text.to_owned())),
    }
}

impl Show {
    pub(crate) async fn run(self, globals: &Globals) -> Result<Exit, Failed> {
        let settings = globals.settings(Vec::new())?;
        let stop = work::stop()?;
        let store = database::open(&settings, Missing::Refuse).await?;
        let looked = self.source.find(&settings).await?.look(self.look, &stop).await?;
        let tasks = self.task.map(|task| task.get()..=task.get()).into_iter().collect();
        let filter = Filter { tasks, ..Filter::default() };
        let mut shown = 0;
        for from in looked.journals() {
            let records: &dyn Records = &*store;
            // Whatever has become of them.
            let mut walk = Walk::new(from, &filter, Some(records), true);
            while let Some(page) = walk.next().await? {
                for one in page.iter().filter(|one| self.means(one)) {
                    if shown > 0 && !self.json {
                        out::line("")?;
                    }
                    shown += 1;
                    self.show(one)?;
                }
            }
        }
        store.close().await;
        if shown == 0 {
            out::complain("there is no such letter");
            return Ok(Exit::Refused);
        }
        Ok(Exit::Done)
    }

    fn means(&self, one: &One) -> bool {
        match &self.letter {
            None => true,
            Some(Meant::Number(number)) => one.whence == Whence::Journal && one.entry.number == *number,
            Some(Meant::Message(id)) => one.entry.message_id.as_ref() == Some(id),
        }
    }

    fn show(&self, one: &One) -> Result<(), Failed> {
        if self.raw {
            return Ok(out::raw(raw(&one.entry))?);
        }
        if self.json {
            let mut value = json::outline(one);
            value["attributes"] = serde_json::json!(one.letter.attributes);
            value["body"] = match &one.letter.body {
                Decoded::Json(body) => body.clone(),
                Decoded::Text(text) => text.as_str().into(),
                Decoded::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
            };
            value["edited"] = one.entry.edited.is_some().into();
            value["row"] = serde_json::json!(one.record.as_ref().map(|record| &record.row));
            value["entries"] = serde_json::json!(one.record.as_ref().map_or(&[][..], |record| &record.entries));
            return Ok(out::line(value)?);
        }
        head(one)?;
        body(&one.letter.body)?;
        out::line("")?;
        match &one.record {
            Some(record) => task::print(record),
            None => Ok(out::line(styled(DIM, "the database knows no such task"))?),
        }
    }
}

/// As it was captured.
fn raw(entry: &Entry) -> &[u8] {
    match &entry.content {
        Content::Message(message) => message.record.body.as_deref().unwrap_or_default().as_bytes(),
        Content::Broken { raw, .. } => raw,
    }
}

fn head(one: &One) -> Result<(), Failed> {
    let One { entry, letter, record, class, whence } = one;
    let class_words = styled(list::style(class.kind()), class.words());
    out::line(format_args!("{}  {class_words}", styled(STRONG, format_args!("letter {}", one.name()))))?;
    let field = |name: &str, value: String| out::line(format_args!("  {name:<13}{value}"));
    let text = |text: &str| out::tame(text);
    if let Some(id) = &letter.message_id {
        field("message", text(id))?;
    }
    let class = match class.cause() {
        Some(cause) => format!("{}: {}", class.name(), text(cause)),
        None => class.name().to_owned(),
    };
    field("class", class)?;
    field("reason", cause(letter, record.as_ref()).map_or_else(|| "none given".to_owned(), text))?;
    field("received", format!("{} times", letter.receives))?;
    let ago = |at| format!("{} ({} ago)", out::time(at), list::age(TokioClock.now().since(at)));
    for (name, at) in [("sent", letter.sent_at), ("given up", letter.died_at)] {
        if let Some(at) = at {
            field(name, ago(at))?;
        }
    }
    field("captured", ago(letter.captured_at))?;
    let state = match whence {
        Whence::Journal => letter.state.words().to_owned(),
        Whence::Queue => "on the queue".to_owned(),
    };
    let outcome = entry.outcome.map(|outcome| format!(": {outcome}")).unwrap_or_default();
    let why = entry.why.as_deref().map(|why| format!(", {}", text(why))).unwrap_or_default();
    field("state", format!("{state}{outcome}{why}"))?;
    let optional = [
        ("sent to", &entry.destination),
        ("from queue", &letter.source_queue),
        ("group", &letter.group),
        ("trace", &letter.trace),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            field(name, text(value))?;
        }
    }
    if let Some(place) = entry.place {
        field("in the file", place.to_string())?;
    }
    for (name, value) in &letter.attributes {
        out::line(format_args!("  {} {} = {}", styled(DIM, "attribute"), text(name), text(value)))?;
    }
    let edited = if entry.edited.is_some() { ", edited" } else { "" };
    Ok(out::line(format_args!("  body{edited}:"))?)
}

/// Indented; a terminal shall not obey it.
fn body(body: &Decoded) -> Result<(), Failed> {
    let text = match body {
        Decoded::Json(value) => format!("{value:#}"),
        Decoded::Text(text) => text.clone(),
        Decoded::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    for line in text.lines() {
        out::line(format_args!("    {}", out::tame(line)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_by_its_number_or_by_its_message() {
        assert_eq!(meant("7"), Ok(Meant::Number(7.into())));
        assert_eq!(meant("8f3c-7"), Ok(Meant::Message("8f3c-7".to_owned())));
        assert_eq!(meant("-7"), Ok(Meant::Message("-7".to_owned())));
        assert_eq!(meant("quick"), Ok(Meant::Message("quick".to_owned())));
        assert!(meant("q7").is_err_and(|why| why.contains("id of its message")));
        assert!(meant("").is_err());
    }
}
