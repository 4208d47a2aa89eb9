//! Everything that is printed goes through here: results to standard output, remarks to standard error, colour only
//! where somebody sees it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use taskwatch_core::task::Status;
use taskwatch_core::time::Timestamp;

use crate::progress::beside;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On terminals, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Good news.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Neither.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Headings.
pub(crate) const STRONG: Style = Style::new().bold();

/// Follows `--color` from here on.
pub(crate) fn choose_colour(colour: Colour) {
    let choice = match colour {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// One line of the result.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    unless_closed(beside(|| writeln!(anstream::stdout(), "{text}")))
}

/// Text that brings its own line ends, written as it is.
pub(crate) fn raw(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout();
    unless_closed(stdout.write_all(text).and_then(|()| stdout.flush()))
}

/// A reader that has seen enough, as `head` has, changes neither what is done nor the exit code.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// One JSON value, indented for those who look at it.
pub(crate) fn json(value: &serde_json::Value) -> io::Result<()> {
    line(format_args!("{value:#}"))
}

/// A remark that is not part of the result. A closed standard error is nobody's loss.
pub(crate) fn remark(text: impl Display) {
    let _ = beside(|| writeln!(anstream::stderr(), "{text}"));
}

/// Says what went wrong.
pub(crate) fn complain(text: &str) {
    remark(format_args!("{BAD}error:{BAD:#} {text}"));
}

/// Whether standard error is a terminal that a line can be drawn on again and again.
pub(crate) fn is_drawable() -> bool {
    io::stderr().is_terminal() && anstyle_query::term_supports_color()
}

/// Text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A status in its colour.
pub(crate) fn status_style(status: Option<Status>) -> Style {
    match status {
        Some(Status::Completed) => GOOD,
        Some(Status::Failed) => BAD,
        Some(Status::InProgress) => AnsiColor::Cyan.on_default(),
        Some(Status::Cancelled) => DIM,
        Some(Status::Pending) => Style::new(),
        None => AnsiColor::Yellow.on_default(),
    }
}

/// Lines that a [`table`] has before its first row.
pub(crate) const TABLE_HEAD: usize = 2;

/// An empty table with these headings: one line for each row, and a rule below the headings.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for part in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(part, '─');
    }
    table.set_header(headings);
    table
}

/// A table of a name and numbers, which stand to the right.
pub(crate) fn table_of_numbers(headings: &[&str]) -> Table {
    let mut table = table(headings);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// A point in time for people, to the millisecond.
pub(crate) fn time(at: Timestamp) -> String {
    match u64::try_from(at.as_micros()).ok().and_then(|micros| UNIX_EPOCH.checked_add(Duration::from_micros(micros))) {
        // Beyond this year the formatter gives up.
        Some(time) if at.as_micros() < 253_402_300_800_000_000 => humantime::format_rfc3339_millis(time).to_string(),
        _ => format!("{} µs", at.as_micros()),
    }
}

/// A text from outside on one line and without control characters, so that it cannot play with the terminal.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most this many characters of a text, tamed.
pub(crate) fn excerpt(text: &str, max: usize) -> String {
    let tame = tame(text);
    if tame.chars().count() <= max {
        return tame;
    }
    tame.chars().take(max.saturating_sub(1)).chain(std::iter::once('…')).collect()
}
