//! Says once that something stands in the way, and once that it no longer does.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::{Notice, Observer};

/// Whether one thing that others depend on works.
pub(crate) struct Condition {
    bad: AtomicBool,
    recovery: &'static str,
}

impl Condition {
    pub(crate) const fn good(recovery: &'static str) -> Self {
        Self { bad: AtomicBool::new(false), recovery }
    }

    pub(crate) fn is_bad(&self) -> bool {
        self.bad.load(Ordering::Relaxed)
    }

    pub(crate) fn trouble(&self, observer: &dyn Observer, what: &str) {
        if !self.bad.swap(true, Ordering::Relaxed) {
            observer.notice(&Notice::Trouble(what));
        }
    }

    pub(crate) fn recovered(&self, observer: &dyn Observer) {
        if self.bad.swap(false, Ordering::Relaxed) {
            observer.notice(&Notice::Recovered(self.recovery));
        }
    }

    /// Takes note of how something went.
    pub(crate) fn heard(&self, observer: &dyn Observer, error: Option<impl ToString>) {
        match error {
            Some(error) => self.trouble(observer, &error.to_string()),
            None => self.recovered(observer),
        }
    }
}
