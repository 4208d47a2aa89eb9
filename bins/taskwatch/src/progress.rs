//! How far something is, drawn where somebody looks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::out;

const COUNT: &str = "{msg} {wide_bar} {human_pos}/{human_len}, {per_sec}, {eta} left";
const BYTES: &str = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}, {eta} left";

/// The bar that is being drawn, so that whoever prints does so above it.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints something above the bar, if there is one.
pub(crate) fn beside<T>(print: impl FnOnce() -> T) -> T {
    let drawn = drawn().clone();
    match drawn {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

fn drawn() -> MutexGuard<'static, Option<ProgressBar>> {
    // Nothing is left half done where a panic could strike.
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar on standard error, one at a time; nothing, where that is no terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Counts to `total`, which may turn out to be another number.
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        Self::styled(total, what, COUNT)
    }

    /// Counts bytes.
    pub(crate) fn bytes(what: &'static str) -> Self {
        Self::styled(0, what, BYTES)
    }

    fn styled(total: u64, what: &'static str, template: &str) -> Self {
        let is_drawn = out::is_drawable();
        let target = if is_drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(what);
        // A template that is not understood is drawn in the default way.
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        if is_drawn {
            *drawn() = Some(bar.clone());
        }
        Self(bar)
    }

    /// So far.
    pub(crate) fn at(&self, position: u64) {
        if self.0.length().is_some_and(|length| length < position) {
            self.0.set_length(position);
        }
        self.0.set_position(position);
    }

    /// So far, of so much.
    pub(crate) fn of(&self, position: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(position);
    }

    /// So many more.
    pub(crate) fn more(&self, count: u64) {
        self.0.inc(count);
    }

    /// Takes it away.
    pub(crate) fn end(&self) {
        drawn().take();
        self.0.finish_and_clear();
    }
}
