//! Errors in words.

use std::error::Error;

/// Why a call failed: the other side's words if there are any, else what is under the error. On one line.
#[must_use]
pub fn words(code: Option<&str>, message: Option<&str>, error: &(dyn Error + 'static)) -> String {
    match (message, code) {
        (Some(message), Some(code)) => on_one_line(&format!("{message} ({code})")),
        (Some(text), None) | (None, Some(text)) => on_one_line(text),
        (None, None) => chain(error),
    }
}

/// An error with its causes, each said once, on one line. Those of the SDK say next to
/// nothing by themselves, and their debug forms show the raw answer, which may be a secret.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        next = cause.source();
    }
    on_one_line(&words)
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn what_is_under_an_error_is_said_once() {
        let deepest = Layer("connection\n  refused", None);
        let error = Layer("dispatch failure", Some(Box::new(Layer("dispatch failure", Some(Box::new(deepest))))));
        assert_eq!(chain(&error), "dispatch failure: connection refused");
        assert_eq!(words(None, None, &error), "dispatch failure: connection refused");
        assert_eq!(words(Some("Throttled"), Some("slow down"), &error), "slow down (Throttled)");
        assert_eq!(words(Some("Throttled"), None, &error), "Throttled");
    }
}
