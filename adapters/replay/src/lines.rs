//! Lines of bytes, of bounded length, that can be given back.

use std::io::{self, BufRead, Read};

/// Longest line and longest document that is held in memory, in bytes.
///
/// Room for ten thousands of messages in one array; a capture larger than that has to be one message per line.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

/// One line, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Its bytes, without the end of the line.
    pub(crate) bytes: Vec<u8>,
    /// Whether it was longer than the limit; `bytes` is the start of it.
    pub(crate) cut: bool,
}

/// Splits bytes into lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    limit: usize,
    last: u64,
    /// How many bytes have been taken from the input, and from those before it.
    offset: u64,
    /// Given back; the next one last.
    returned: Vec<Line>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R, limit: usize) -> Self {
        Self::after(input, limit, 0, 0)
    }

    /// Goes on in an input of which so many bytes and lines have been read.
    pub(crate) const fn after(input: R, limit: usize, offset: u64, last: u64) -> Self {
        Self { input, limit, last, offset, returned: Vec::new() }
    }

    /// How many bytes and lines have been read; `None` while some of that is still to be given out.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        self.returned.is_empty().then_some((self.offset, self.last))
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// The first bytes, without taking them.
    pub(crate) fn peek(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.returned.pop() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        // One byte over the limit tells a line that is too long from one that just fits.
        let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(2);
        let taken = self.input.by_ref().take(most).read_until(b'\n', &mut bytes)?;
        if taken == 0 {
            return Ok(None);
        }
        self.offset += taken as u64;
        let ended = bytes.last() == Some(&b'\n');
        if ended {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let cut = bytes.len() > self.limit;
        if cut {
            bytes.truncate(self.limit);
            if !ended {
                self.skip_line()?;
            }
        }
        // A byte order mark starts a file, and each of several files that were concatenated.
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        self.last += 1;
        Ok(Some(Line { number: self.last, bytes, cut }))
    }

    /// Takes a line back; [`Self::next`] gives it again.
    pub(crate) fn give_back(&mut self, line: Line) {
        self.returned.push(line);
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(length);
            self.offset += length as u64;
            if end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], limit: usize) -> Vec<(u64, String, bool)> {
        // A tiny buffer, so that lines span several.
        let mut lines = Lines::new(io::BufReader::with_capacity(3, input), limit);
        std::iter::from_fn(|| lines.next().expect("memory does not fail"))
            .map(|line| (line.number, String::from_utf8(line.bytes).expect("text"), line.cut))
            .collect()
    }

    #[test]
    fn ends_of_lines_and_byte_order_marks_are_taken_off() {
        let lines = all(b"\xef\xbb\xbfone\r\n\ntwo\n\xef\xbb\xbfthree", 100);
        let text = |number, text: &str| (number, text.to_owned(), false);
        assert_eq!(lines, [text(1, "one"), text(2, ""), text(3, "two"), text(4, "three")]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let line = |number, text: &str, cut| (number, text.to_owned(), cut);
        for end in ["\n", "\r\n"] {
            let lines = all(format!("12345{end}123456{end}123456789abcdef{end}x").as_bytes(), 5);
            assert_eq!(
                lines,
                [line(1, "12345", false), line(2, "12345", true), line(3, "12345", true), line(4, "x", false)]
            );
        }
        assert_eq!(all(b"123456789", 5), [line(1, "12345", true)]);
    }

    #[test]
    fn what_is_given_back_comes_again_first() {
        let mut lines = Lines::new(&b"a\nb\n"[..], 10);
        let first = lines.next().expect("memory").expect("a line");
        lines.give_back(first.clone());
        assert_eq!(lines.next().expect("memory"), Some(first));
        assert_eq!(lines.next().expect("memory").map(|line| (line.number, line.bytes)), Some((2, b"b".to_vec())));
    }
}
