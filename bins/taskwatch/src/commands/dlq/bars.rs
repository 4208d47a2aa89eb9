//! Bar charts, as wide as the terminal.

use unicode_width::UnicodeWidthChar as _;

use crate::out::{self, DIM, STRONG, styled};

/// Where nobody knows how wide the terminal is.
const USUAL: usize = 80;

/// Bars longer than this say no more.
const WIDEST: usize = 120;

/// Eighths of a block.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// One bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) count: u64,
}

/// The columns that there are.
pub(super) fn width() -> usize {
    terminal_size::terminal_size().map_or(USUAL, |(terminal_size::Width(width), _)| usize::from(width)).min(WIDEST)
}

/// A chart as lines: label, count, bar. The longest bar takes what is left of the width; a count of any size has one.
pub(super) fn lines(heading: &str, bars: &[Bar], width: usize, ascii: bool) -> Vec<String> {
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
    let digits = most.to_string().len();
    let widest = bars.iter().map(|bar| columns(&out::tame(&bar.label))).max().unwrap_or(0);
    // Two columns before the label, two between any two; at least a few for the bar.
    let room = width.saturating_sub(6 + digits);
    let label = widest.min((room * 3 / 5).max(8));
    let bar = room.saturating_sub(label).max(4);
    let mut lines = vec![styled(STRONG, heading)];
    for Bar { label: text, count } in bars {
        let drawn = if ascii { hashes(*count, most, bar) } else { blocks(*count, most, bar) };
        lines.push(format!("  {}  {count:>digits$}  {}", fit(text, label), styled(DIM, drawn)));
    }
    lines
}

/// Eighths of a column that a count takes, at least one for what is there at all.
fn eighths(count: u64, most: u64, columns: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let scaled = u128::from(count) * 8 * (columns as u128) / u128::from(most.max(1));
    usize::try_from(scaled).unwrap_or(columns * 8).max(1)
}

fn blocks(count: u64, most: u64, columns: usize) -> String {
    let eighths = eighths(count, most, columns);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn hashes(count: u64, most: u64, columns: usize) -> String {
    "#".repeat(eighths(count, most, columns).div_ceil(8))
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text in exactly so many columns: cut, or padded.
fn fit(text: &str, width: usize) -> String {
    let text = out::tame(text);
    let cut = columns(&text) > width;
    let (mut out, mut taken) = (String::new(), 0);
    let room = if cut { width.saturating_sub(1) } else { width };
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if taken + columns > room {
            break;
        }
        out.push(c);
        taken += columns;
    }
    if cut {
        out.push('…');
        taken += 1;
    }
    out.push_str(&" ".repeat(width.saturating_sub(taken)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bars: &[(&str, u64)], width: usize, ascii: bool) -> Vec<String> {
        let bars: Vec<_> =
            bars.iter().map(|(label, count)| Bar { label: (*label).to_owned(), count: *count }).collect();
        let lines = lines("by reason", &bars, width, ascii);
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn the_longest_bar_takes_the_width_and_the_smallest_is_seen() {
        let lines = plain(&[("timeout", 1_000), ("no answer", 250), ("once", 1), ("never", 0)], 40, false);
        assert_eq!(
            lines,
            [
                "by reason",
                "  timeout    1000  █████████████████████",
                "  no answer   250  █████▎",
                "  once          1  ▏",
                "  never         0  ",
            ]
        );
        assert!(lines.iter().all(|line| columns(line) <= 40));
    }

    #[test]
    fn in_ascii_there_are_only_hashes() {
        let lines = plain(&[("timeout", 4), ("once", 1)], 26, true);
        assert_eq!(lines, ["by reason", "  timeout  4  ############", "  once     1  ###"]);
    }

    #[test]
    fn long_and_wide_labels_are_cut_to_their_column() {
        for label in ["x".repeat(300), "漢".repeat(300), "e\u{301}".repeat(300), "a\u{1b}[2Jb\n".repeat(30)] {
            for width in [0, 10, 20, 41, 80, 120] {
                let lines = plain(&[(&label, 7), ("short", 3)], width, false);
                let ends: Vec<_> = lines[1..].iter().map(|line| columns(line.trim_end_matches('█'))).collect();
                assert!(lines[1..].iter().all(|line| columns(line) <= width.max(8 + 6 + 1 + 4)), "{lines:?}");
                assert!(!lines.concat().contains(['\u{1b}', '\n']), "{ends:?}");
            }
        }
    }

    #[test]
    fn counts_of_any_size_fit() {
        let lines = plain(&[("a", u64::MAX), ("b", 1)], 60, false);
        assert!(lines.iter().all(|line| columns(line) <= 60), "{lines:?}");
        assert!(plain(&[], 60, false).len() == 1);
    }
}
