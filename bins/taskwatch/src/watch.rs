//! What a worker says while it works: by `log.level` and `log.format`, on standard error.

use taskwatch_core::ledger::LedgerEntry;
use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Notice, Observer};
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;
use taskwatch_settings::{Log, LogFormat, LogLevel};

use crate::out;

/// Logs what happens.
pub(crate) struct Logger {
    log: Log,
}

impl Logger {
    /// Logs as the settings say.
    pub(crate) fn new(log: &Log) -> Self {
        Self { log: log.clone() }
    }

    fn say(&self, level: LogLevel, text: &str, entry: Option<&LedgerEntry>) {
        if rank(level) > rank(self.log.level) {
            return;
        }
        match self.log.format {
            LogFormat::Text => out::remark(format_args!("{:5} {}", level.as_str(), out::tame(text))),
            LogFormat::Json => {
                let line = serde_json::json!({ "level": level.as_str(), "message": text, "entry": entry });
                out::remark(line);
            }
        }
    }
}

impl Observer for Logger {
    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Transition(entry) => {
                let level = match (entry.event, entry.to) {
                    (EventKind::Failed | EventKind::Abandoned, _) | (_, Status::Failed) => LogLevel::Warn,
                    (EventKind::Started | EventKind::Added, _) => LogLevel::Debug,
                    _ => LogLevel::Info,
                };
                let reason = entry.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let text = format!(
                    "task {} {} (attempt {}), now {}{reason}",
                    entry.task, entry.event, entry.attempt, entry.to
                );
                self.say(level, &text, Some(entry));
            }
            Notice::Metric(event) => match event.metric {
                Metric::StaleLeases => self.say(LogLevel::Warn, "a result was refused: the lease had been lost", None),
                Metric::HandlerPanics => self.say(LogLevel::Error, "the handler panicked", None),
                _ => {}
            },
            Notice::Trouble(what) => self.say(LogLevel::Error, what, None),
            Notice::Recovered(what) => self.say(LogLevel::Info, &format!("recovered: {what}"), None),
        }
    }
}

const fn rank(level: LogLevel) -> u8 {
    match level {
        LogLevel::Off => 0,
        LogLevel::Error => 1,
        LogLevel::Warn => 2,
        LogLevel::Info => 3,
        LogLevel::Debug => 4,
        LogLevel::Trace => 5,
    }
}
