//! How much of a message is looked at, and how much of it is ever repeated in a reason.

/// Longest body that is read, in bytes: what SQS allows for a message since August 2025 (262,144 before).
pub const MAX_BODY_BYTES: usize = 1_048_576;

/// Deepest nesting of arrays and objects that is read, in a body and again in the SNS `Message` inside it.
///
/// An announcement needs 1 and an envelope with attributes 3. The parser's own limit of 128 is never reached.
pub const MAX_NESTING: usize = 32;

/// Most attributes that a message or an SNS envelope may have. SQS allows 10; an envelope may carry more.
pub const MAX_ATTRIBUTES: usize = 100;

/// Longest piece of a message that a reason repeats, in characters.
pub const MAX_EXCERPT_CHARS: usize = 80;

/// Counts how deep JSON text is nested, byte by byte, without parsing it.
///
/// Text that is not JSON gives some number too, but never a smaller one than the parser will meet before it stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes the next bytes; answers with the deepest nesting reached in them.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut deepest = self.depth;
        for &byte in bytes {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'[' | b'{' => {
                    self.depth += 1;
                    deepest = deepest.max(self.depth);
                }
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }

    /// Whether the text so far ends inside a string.
    #[must_use]
    pub const fn in_string(&self) -> bool {
        self.in_string
    }
}

/// The start of a text, fit for one line of a report: at most [`MAX_EXCERPT_CHARS`], nothing in it that a terminal
/// would obey.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let mut out = String::new();
    let mut left = MAX_EXCERPT_CHARS - 1;
    for c in text.chars() {
        // Quotes and backslashes are the bulk of JSON and harmless: escaping them would only make it hard to read.
        let escaped = if matches!(c, '"' | '\'' | '\\') { None } else { Some(c.escape_debug()) };
        let length = escaped.as_ref().map_or(1, ExactSizeIterator::len);
        if length > left {
            out.push('…');
            break;
        }
        left -= length;
        match escaped {
            Some(escaped) => out.extend(escaped),
            None => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(Nesting::default().feed(br#"{"a": "[[[\"[[[[[[", "b": [{}]}"#), 3);
        assert_eq!(Nesting::default().feed(b"[][][]"), 1);
        assert_eq!(Nesting::default().feed(b"]]]["), 1);
    }

    #[test]
    fn nesting_goes_on_over_pieces() {
        let mut nesting = Nesting::default();
        assert_eq!(nesting.feed(br#"{"a": "["#), 1);
        assert!(nesting.in_string());
        assert_eq!(nesting.feed(br#"", "b": [1]"#), 2);
        assert!(!nesting.in_string());
    }

    #[test]
    fn an_excerpt_is_short_and_cannot_move_the_cursor() {
        assert_eq!(excerpt(r#"{"a": 1}"#), r#"{"a": 1}"#);
        assert_eq!(excerpt("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
        let long = excerpt(&"é".repeat(500));
        assert_eq!(long.chars().count(), MAX_EXCERPT_CHARS);
        assert!(long.ends_with('…'));
        assert!(excerpt(&"\u{1b}".repeat(500)).chars().count() <= MAX_EXCERPT_CHARS);
    }
}
