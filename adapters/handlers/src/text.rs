//! Output of other programs, made fit for a line in the ledger.

/// The last bytes of a stream of any length.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Tail {
    /// Keeps the last `limit` bytes; holds at most twice as many, and what one [`Tail::push`] brings.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, cut: false }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Not at every push, so that a trickle of single bytes does not move the whole tail each time.
        if self.bytes.len() > 2 * self.limit {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.limit);
        if excess > 0 {
            self.bytes.drain(..excess);
            self.cut = true;
        }
    }

    /// The text, with what was cut off in front of it marked by an ellipsis.
    pub(crate) fn text(&mut self) -> String {
        self.trim();
        if !self.cut {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        // The cut may have gone through a character: its remaining bytes say nothing.
        let rest = self.bytes.iter().take(3).take_while(|&&byte| byte & 0b1100_0000 == 0b1000_0000).count();
        format!("…{}", String::from_utf8_lossy(&self.bytes[rest..]))
    }
}

/// The text in one line: escape sequences and control characters gone, lines that hold anything joined by ` | `.
pub(crate) fn one_line(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let lines = plain.split(['\n', '\r']).map(|line| {
        let printable: String =
            line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect();
        printable.trim().to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end_and_little_more() {
        let mut tail = Tail::new(8);
        for number in 0..10_000 {
            tail.push(format!("{number},").as_bytes());
            assert!(tail.bytes.len() <= 16);
        }
        assert_eq!(tail.text(), "…98,9999,");

        let mut short = Tail::new(8);
        short.push(b"12345678");
        assert_eq!(short.text(), "12345678");
        short.push(b"9");
        assert_eq!(short.text(), "…23456789");
    }

    #[test]
    fn a_character_that_was_cut_leaves_no_rubbish() {
        let mut tail = Tail::new(4);
        tail.push("x😀yz".as_bytes());
        assert_eq!(tail.text(), "…yz");
    }

    #[test]
    fn escapes_and_control_characters_do_not_reach_the_ledger() {
        assert_eq!(one_line("\x1b[1;31merror\x1b[0m:\tbad\x07 \u{9b}\n\n  at line 3\r\n"), "error: bad | at line 3");
        assert_eq!(one_line(" \n\x00\x08\n"), "");
        assert_eq!(one_line("äöü 😀"), "äöü 😀");
    }
}
