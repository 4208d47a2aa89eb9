//! What is said of each letter, and what it comes to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taskwatch_replay::run::{Fate, Listener, Told};

use crate::exit::{Exit, Failed};
use crate::out::{self, BAD, DIM, GOOD, styled};
use crate::progress::Bar;

/// Prints and counts.
pub(super) struct Teller {
    json: bool,
    bar: Bar,
    completed: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    later: AtomicU64,
    left: AtomicU64,
    /// Of those left: not to be read, or of no task.
    bad: AtomicU64,
    passed_over: AtomicU64,
    unprinted: AtomicU64,
}

impl Teller {
    pub(super) fn new(json: bool, total: u64) -> Self {
        let zero = AtomicU64::default;
        Self {
            json,
            bar: Bar::new(total, "replaying"),
            completed: zero(),
            failed: zero(),
            sent: zero(),
            dropped: zero(),
            later: zero(),
            left: zero(),
            bad: zero(),
            passed_over: zero(),
            unprinted: zero(),
        }
    }

    fn count(&self, told: &Told) -> &AtomicU64 {
        match &told.fate {
            Fate::Completed => &self.completed,
            Fate::Failed(_) => &self.failed,
            Fate::Sent(_) => &self.sent,
            Fate::Dropped(_) => &self.dropped,
            Fate::Later(..) => &self.later,
            Fate::Left(_) => {
                if matches!(told.class, "unreadable" | "no-such-task") {
                    self.bad.fetch_add(1, Ordering::Relaxed);
                }
                &self.left
            }
        }
    }

    /// Says what it came to; so many letters are unfinished in the journal.
    pub(super) fn conclude(&self, stopped: bool, without_database: u64, stay: u64) -> Result<Exit, Failed> {
        self.bar.end();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (failed, later, left, bad) = (count(&self.failed), count(&self.later), count(&self.left), count(&self.bad));
        if self.json {
            out::line(serde_json::json!({ "summary": {
                "completed": count(&self.completed), "sent": count(&self.sent), "failed": failed,
                "dropped": count(&self.dropped), "later": later, "left": left, "not_selected": count(&self.passed_over), "stay": stay,
                "stopped": stopped,
            } }))?;
        } else {
            out::line(format_args!(
                "{} completed, {} sent, {failed} failed again, {} dropped; {stay} stay in the journal",
                count(&self.completed),
                count(&self.sent),
                count(&self.dropped),
            ))?;
            if failed > 0 {
                out::line("what failed again: --again takes it up, up to replay.max_replays times")?;
            }
            if stay > 0 {
                out::line("what stays: the same command takes it up, --abandon puts it back on its queue")?;
            }
        }
        let unprinted = count(&self.unprinted);
        if unprinted > 0 {
            return Err(std::io::Error::other(format!("{unprinted} reports could not be written")).into());
        }
        if stopped {
            out::complain("stopped before the end: the same command goes on, what is done stays done");
            return Ok(Exit::Other);
        }
        Ok(match (without_database, bad, failed + later + left) {
            (1.., ..) => Exit::Database,
            (0, 1.., _) => Exit::BadInput,
            (0, 0, 1..) => Exit::Refused,
            (0, 0, 0) => Exit::Done,
        })
    }
}

impl Listener for Teller {
    fn told(&self, told: &Told) {
        self.count(told).fetch_add(1, Ordering::Relaxed);
        let printed = match (&told.fate, self.json) {
            (_, true) => out::line(json(told)),
            // They are as many as there are letters, and the bar counts them.
            (Fate::Completed | Fate::Sent(_), false) => Ok(()),
            (_, false) => out::line(for_people(told)),
        };
        if printed.is_err() {
            self.unprinted.fetch_add(1, Ordering::Relaxed);
        }
        self.bar.more(1);
    }

    fn passed_over(&self, count: u64) {
        self.passed_over.fetch_add(count, Ordering::Relaxed);
        self.bar.more(count);
    }

    fn trouble(&self, what: &str) {
        out::complain(what);
    }
}

fn json(told: &Told) -> serde_json::Value {
    let after = match &told.fate {
        Fate::Later(_, after) => after.as_ref().map(Duration::as_secs_f64),
        _ => None,
    };
    serde_json::json!({
        "letter": told.number.get(), "message_id": told.message_id, "task": told.task, "class": told.class,
        "fate": told.fate.name(), "why": told.fate.to_string(), "after": after,
    })
}

fn for_people(told: &Told) -> String {
    let style = match &told.fate {
        Fate::Completed | Fate::Sent(_) => GOOD,
        Fate::Failed(_) | Fate::Left(_) => BAD,
        Fate::Dropped(_) | Fate::Later(..) => DIM,
    };
    let task = told.task.map(|task| format!(", task {task}")).unwrap_or_default();
    let id = told.message_id.as_deref().map(|id| format!(", message {}", out::excerpt(id, 60))).unwrap_or_default();
    format!("letter {}{id}{task}: {}", told.number, styled(style, out::tame(&told.fate.to_string())))
}
