//! What goes to the function's log: JSON objects, unless `log.format` asks for text.

use taskwatch_settings::{Log, LogFormat, Origin, Settings};

/// Standard error, which Lambda passes on as it does standard output.
pub(crate) fn set_up(settings: &Settings) {
    let is_given = settings.effective().iter().any(|one| one.key == "log.format" && one.origin != Origin::Default);
    let format = if is_given { settings.log.format } else { LogFormat::Json };
    taskwatch_wiring::set_up_log(&Log { format, ..settings.log.clone() }, "bootstrap");
}

/// Says why the process ends, even where nothing has been set up yet.
#[expect(clippy::print_stderr, reason = "the log may not be set up")]
pub(crate) fn last_words(text: &str) {
    eprintln!("{}", serde_json::json!({ "level": "ERROR", "message": text }));
}
