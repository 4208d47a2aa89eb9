//! Reasons: people read them in a terminal.

/// Longest fixed text of a reason, beside one excerpt or two.
const LONGEST: usize = 400;

/// In one line, short, and nothing in it that a terminal would obey.
pub(crate) fn check(reason: &str) {
    assert!(!reason.is_empty());
    assert!(reason.chars().count() < LONGEST, "{} characters: {reason}", reason.chars().count());
    // Direction marks, and what is invisible.
    let hidden =
        |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    assert!(!reason.contains(|c: char| c.is_control() || hidden(c)), "{reason:?}");
}
