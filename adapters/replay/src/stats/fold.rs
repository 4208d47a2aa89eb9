//! Reasons that differ in numbers, ids and names alone are one.

use std::iter::Peekable;
use std::str::CharIndices;

/// Longest folded reason, in characters.
const LONGEST: usize = 160;

/// From so many hexadecimal digits on, a word with a figure in it is taken for an id.
const ID: usize = 8;

/// A reason with what changes from one letter to the next taken out: numbers, times and ids become `#`, what is quoted
/// becomes `…`.
///
/// `no answer from 10.0.0.7:8080 after 1.5s: request 7f3a09bc1d` becomes `no answer from # after #s: request #`.
#[must_use]
pub fn fold_reason(reason: &str) -> String {
    let mut out = String::new();
    let mut chars = reason.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let rest = &reason[at..];
        if let Some(close) = closing(c).filter(|_| !before.is_alphanumeric())
            && let Some(end) = rest[c.len_utf8()..].find(close)
        {
            let end = at + c.len_utf8() + end;
            skip(&mut chars, end + close.len_utf8());
            out.push(c);
            out.push('…');
            out.push(close);
            before = close;
        } else if let Some(length) = uuid(rest) {
            skip(&mut chars, at + length);
            mark(&mut out);
            before = '#';
        } else if c.is_ascii_alphanumeric() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            skip(&mut chars, at + length);
            word(&mut out, &rest[..length]);
            before = 'a';
        } else {
            if c.is_whitespace() || c.is_control() {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            } else {
                out.push(c);
            }
            before = c;
        }
    }
    let out = out.trim();
    match out.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out.to_owned(),
    }
}

const fn closing(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '«' => Some('»'),
        '“' => Some('”'),
        '‘' => Some('’'),
        _ => None,
    }
}

fn skip(chars: &mut Peekable<CharIndices<'_>>, to: usize) {
    while chars.next_if(|(at, _)| *at < to).is_some() {}
}

/// Numbers and what joins them are one: `1,000`, `10:11:12`, `10.0.0.7:8080`.
fn mark(out: &mut String) {
    let joined = out.strip_suffix(['.', ',', ':', '-', '/', '+']).filter(|head| head.ends_with('#')).map(str::len);
    match joined {
        Some(length) => out.truncate(length),
        None if out.ends_with('#') => {}
        None => out.push('#'),
    }
}

/// Letters and figures.
fn word(out: &mut String, word: &str) {
    let has_figure = word.bytes().any(|byte| byte.is_ascii_digit());
    if !has_figure {
        out.push_str(word);
    } else if word.len() >= ID && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        mark(out);
    } else {
        for c in word.chars() {
            if c.is_ascii_digit() { mark(out) } else { out.push(c) }
        }
    }
}

/// How long the UUID is with which a text begins.
fn uuid(text: &str) -> Option<usize> {
    const LENGTH: usize = 36;
    let head = text.as_bytes().get(..LENGTH)?;
    let is_one = head.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let ends = text.as_bytes().get(LENGTH).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (is_one && ends).then_some(LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_folded() {
        for (reason, folded) in [
            ("failed for good: exit status 3", "failed for good: exit status #"),
            ("task 17 of 1,000,000: 12.5 %", "task # of #: # %"),
            ("no answer from 10.0.0.7:8080 after 1.5s: request 7f3a09bc1d", "no answer from # after #s: request #"),
            ("message 2f1c9e0a-77aa-4b6c-9d1e-0123456789ab is odd", "message # is odd"),
            ("message ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB", "message #"),
            (r#"no member "title of 7", nor 'x y'"#, r#"no member "…", nor '…'"#),
            ("it isn't there, and wasn't before", "it isn't there, and wasn't before"),
            ("at 2025-11-20T10:11:12.345678Z", "at #T#Z"),
            ("the body is not JSON (at line 1 column 9): «nope»", "the body is not JSON (at line # column #): «…»"),
            ("an open \"quote 7", "an open \"quote #"),
            ("  two\n\twords  ", "two words"),
            ("défaut à 7 h «été»", "défaut à # h «…»"),
            ("", ""),
        ] {
            assert_eq!(fold_reason(reason), folded);
        }
    }

    #[test]
    fn folding_is_bounded_and_stable() {
        let long = fold_reason(&"word ".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST + 1);
        for text in ["a1b2c3", "#7", "7#", "\"\"", "''", "-1", "1-", "0123456789abcdef", "\u{0}"] {
            let once = fold_reason(text);
            assert_eq!(fold_reason(&once), once, "{text}");
        }
    }
}
