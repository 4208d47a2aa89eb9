//! Builds the text of a multi-statement packet.
//!
//! The one place where data becomes SQL. What goes in is either text of this program (`&'static str`) or a value, and a
//! value comes out as decimal digits, `NULL`, or a hexadecimal string literal: none of these can end early, whatever
//! the value holds and whatever SQL mode or character set the session has. So there is nothing to quote.

use sqlx::AssertSqlSafe;

/// One or several statements on their way to the server, in one round trip.
#[derive(Debug, Default, Clone)]
pub(crate) struct Packet {
    sql: String,
    statements: usize,
}

impl Packet {
    /// A packet that begins with this statement.
    pub(crate) fn new(sql: &'static str) -> Self {
        let mut packet = Self::default();
        packet.then(sql);
        packet
    }

    /// Begins the next statement.
    pub(crate) fn then(&mut self, sql: &'static str) -> &mut Self {
        if self.statements > 0 {
            self.sql.push(';');
        }
        self.statements += 1;
        self.sql(sql)
    }

    /// Goes on with the statement.
    pub(crate) fn sql(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// A number.
    pub(crate) fn int(&mut self, value: impl Into<i64>) -> &mut Self {
        use std::fmt::Write as _;
        let _ = write!(self.sql, "{}", value.into());
        self
    }

    /// A number, or `NULL`.
    pub(crate) fn int_or_null(&mut self, value: Option<impl Into<i64>>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.sql("NULL"),
        }
    }

    /// A character string.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.sql("_utf8mb4 ").bytes(value)
    }

    /// A character string, or `NULL`.
    pub(crate) fn text_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.sql("NULL"),
        }
    }

    /// A string of bytes: the text in UTF-8, to be compared byte by byte.
    pub(crate) fn bytes(&mut self, value: &str) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.sql.reserve(2 * value.len() + 3);
        self.sql.push_str("X'");
        for byte in value.bytes() {
            self.sql.push(char::from(DIGITS[usize::from(byte >> 4)]));
            self.sql.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        self.sql.push('\'');
        self
    }

    /// A string of bytes, or `NULL`.
    pub(crate) fn bytes_or_null(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.bytes(value),
            None => self.sql("NULL"),
        }
    }

    /// Each item in turn, with commas between.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl for<'p> FnMut(&'p mut Self, T) -> &'p mut Self,
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.sql(", ");
            }
            write(self, item);
        }
        self
    }

    /// A table made of rows of values, as `(SELECT .. UNION ALL SELECT ..)`; `write` names the columns of the first row.
    ///
    /// Measured on MariaDB 10.11, this takes as long as `JSON_TABLE` up to 500 rows (0.4 ms for 1, 5.5 ms for 100, both
    /// tables written), works on more servers, and reports a value that does not fit instead of making it NULL.
    pub(crate) fn rows<T>(
        &mut self,
        rows: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T, bool),
    ) -> &mut Self {
        self.sql("(");
        for (index, row) in rows.into_iter().enumerate() {
            self.sql(if index == 0 { "SELECT " } else { " UNION ALL SELECT " });
            write(self, row, index == 0);
        }
        self.sql(")")
    }

    /// How many statements there are.
    pub(crate) const fn statements(&self) -> usize {
        self.statements
    }

    /// How many bytes it has.
    pub(crate) const fn len(&self) -> usize {
        self.sql.len()
    }

    /// The text, which is safe because of what the methods above let in.
    pub(crate) fn into_sql(self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.sql)
    }

    /// The text, to look at.
    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_digits_null_or_hexadecimal() {
        let mut packet = Packet::new("SELECT ");
        packet.int(i64::MIN).sql(", ").int_or_null(None::<i64>).sql(", ").text("é'").sql(", ").bytes("").then("COMMIT");
        assert_eq!(packet.as_str(), "SELECT -9223372036854775808, NULL, _utf8mb4 X'C3A927', X'';COMMIT");
        assert_eq!(packet.statements(), 2);
    }

    #[test]
    fn no_text_leaves_its_literal() {
        for text in ["'; DROP TABLE tasks; -- ", "\\'", "\u{0}\u{1a}\n", "%s{}", "/*!", "😀\u{202e}", "X'00'"] {
            let mut packet = Packet::default();
            packet.text(text);
            let inner = packet.as_str().strip_prefix("_utf8mb4 X'").and_then(|rest| rest.strip_suffix('\''));
            let inner = inner.unwrap_or_else(|| panic!("{text:?} became {}", packet.as_str()));
            assert!(inner.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text:?} became {inner}");
            assert_eq!(inner.len(), 2 * text.len());
        }
    }
}
