//! What of all that is traced gets logged.

use taskwatch_settings::LogLevel;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// `log.level`, for `tracing`.
#[must_use]
pub const fn level(level: LogLevel) -> LevelFilter {
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
#[must_use]
pub fn targets(log: LogLevel, own: &str) -> Targets {
    let level = level(log);
    let adapters = ["taskwatch_http_intake", "taskwatch_sql_store", "taskwatch_sqs_lambda"];
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(own, level)
        .with_targets(adapters.map(|adapter| (adapter, level)))
        .with_target("sqlx", LevelFilter::OFF)
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
    }
}
