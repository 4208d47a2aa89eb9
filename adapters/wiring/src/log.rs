//! What gets logged, and how.

use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Notice, Observer};
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;
use taskwatch_settings::{Log, LogFormat, LogLevel};
use tracing::{debug, error, info, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// From here on, whatever is traced goes to standard error: `own` names the program's own targets.
pub fn set_up_log(log: &Log, own: &str) {
    let targets = targets(log.level, own)
        // Lambda: the span of the invocation, with its request id.
        .with_target("lambda_runtime::layers", level(log.level).min(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let layer = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    // Nobody else has set one up.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}

/// `log.level`, for `tracing`.
const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Everything of `own` and of our adapters at this level; of other crates, only what may need somebody to look. The
/// database driver would log statements, with what is in them.
fn targets(log: LogLevel, own: &str) -> Targets {
    let level = level(log);
    let adapters = [
        "taskwatch_ec2",
        "taskwatch_http_intake",
        "taskwatch_sql_store",
        "taskwatch_sqs_lambda",
        "taskwatch_sqs_poll",
        "taskwatch_wiring",
    ];
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(own, level)
        .with_targets(adapters.map(|adapter| (adapter, level)))
        // What the SDK meets while it tries and tries again is in our own lines, once.
        .with_targets(["aws_config", "aws_runtime", "aws_smithy"].map(|sdk| (sdk, level.min(LevelFilter::ERROR))))
        .with_target("sqlx", LevelFilter::OFF)
}

/// Logs what the engine does: each entry by how much it matters, what stands in the way once, and once that it is gone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logger;

impl Observer for Logger {
    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Transition(entry) => {
                let (task, attempt, status) = (entry.task.get(), entry.attempt, entry.to.as_str());
                let (event, reason, trace) = (entry.event, entry.reason.as_deref(), entry.trace.as_deref());
                match (event, entry.to) {
                    (EventKind::Failed | EventKind::Abandoned, _) | (_, Status::Failed) => {
                        warn!(task, attempt, status, reason, trace, "{event}");
                    }
                    // What is as it should be happens too often for a line of its own.
                    // What is given back runs again, and whatever it was that stood in the way is told by itself.
                    (EventKind::Added | EventKind::Adopted | EventKind::Started, _)
                    | (EventKind::Completed | EventKind::Released, _) => {
                        debug!(task, attempt, status, reason, trace, "{event}")
                    }
                    _ => info!(task, attempt, status, reason, trace, "{event}"),
                }
            }
            Notice::Metric(event) => match event.metric {
                Metric::StaleLeases => warn!("a result was refused: the lease had been lost"),
                Metric::HandlerPanics => error!("the handler panicked"),
                _ => {}
            },
            Notice::Trouble(what) => error!("{what}"),
            Notice::Recovered(what) => info!("recovered: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_never_get_into_a_log() {
        use tracing_subscriber::filter::LevelFilter;
        let logged = |log, target| {
            let targets = targets(log, "bootstrap");
            [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE]
                .into_iter()
                .filter(|level| level.into_level().is_some_and(|level| targets.would_enable(target, &level)))
                .count()
        };
        for log in [LogLevel::Off, LogLevel::Info, LogLevel::Trace] {
            assert_eq!(logged(log, "sqlx::query"), 0);
        }
        assert_eq!([LogLevel::Off, LogLevel::Info, LogLevel::Trace].map(|log| logged(log, "bootstrap")), [0, 3, 5]);
        assert_eq!([LogLevel::Off, LogLevel::Error, LogLevel::Trace].map(|log| logged(log, "hyper")), [0, 1, 2]);
        for sdk in ["aws_config::meta::credentials::chain", "aws_runtime::env_config::source", "aws_smithy_runtime::x"]
        {
            assert_eq!(logged(LogLevel::Trace, sdk), 1, "{sdk}");
        }
    }
}
