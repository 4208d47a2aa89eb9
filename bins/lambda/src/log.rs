//! What goes to the function's log: JSON objects, unless `log.format` asks for text.

use taskwatch_core::metric::Metric;
use taskwatch_core::ports::{Notice, Observer};
use taskwatch_core::task::Status;
use taskwatch_core::transition::EventKind;
use taskwatch_settings::{LogFormat, Origin, Settings};
use taskwatch_wiring::{level, targets};
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// From here on, whatever is traced goes to standard error, which Lambda passes on as it does standard output.
pub(crate) fn set_up(settings: &Settings) {
    let targets = targets(settings.log.level, "bootstrap")
        // The span of the invocation, with its request id.
        .with_target("lambda_runtime::layers", level(settings.log.level).min(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let as_text = settings.log.format == LogFormat::Text
        && settings.effective().iter().any(|one| one.key == "log.format" && one.origin != Origin::Default);
    let layer = if as_text {
        lines.boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    // Nobody else has set one up.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}

/// Says why the process ends, even where nothing has been set up yet.
#[expect(clippy::print_stderr, reason = "the log may not be set up")]
pub(crate) fn last_words(text: &str) {
    eprintln!("{}", serde_json::json!({ "level": "ERROR", "message": text }));
}

/// Logs what the engine does.
pub(crate) struct Logger;

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
                    (EventKind::Started, _) => debug!(task, attempt, status, reason, trace, "{event}"),
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
