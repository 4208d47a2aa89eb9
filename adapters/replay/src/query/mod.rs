//! JMESPath over what letters say: parsed with care, so that a slip is told rather than matching nothing.

mod check;
mod error;

use jmespath::{Expression, Rcvar};
use serde_json::Value;

use crate::letter::Decoded;

pub use error::QueryError;
use error::syntax;

/// Longest expression, in bytes.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// Most operators and brackets: each may nest by one, for which the parser takes some KiB of the stack.
pub const MAX_QUERY_OPERATORS: usize = 120;

/// A condition on the decoded body: an expression whose result is true, or anything but `false`, `null` and what is empty.
///
/// Numbers are compared as floats, so that integers beyond 2^53 are equal to their neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Query(Compiled);

impl Query {
    /// Reads an expression.
    ///
    /// What JMESPath takes and nobody means is refused as well: text in double quotes on the right of a comparison (there,
    /// it names a member), bare `true`, `false` and `null`, functions that do not exist.
    ///
    /// # Errors
    /// [`QueryError`] says where it goes wrong, and what may help.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Compiled::parse(text).map(Self)
    }

    /// The expression as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Whether a body passes. Text that is no JSON counts as a string; bytes that are no text never pass, and neither does
    /// a body to which the expression cannot be applied, such as `starts_with` to one without that member.
    #[must_use]
    pub fn matches(&self, body: &Decoded) -> bool {
        let result = match body {
            Decoded::Json(value) => self.0.search(value),
            Decoded::Text(text) => self.0.search_text(text),
            Decoded::Bytes(_) => return false,
        };
        result.is_ok_and(|found| found.is_truthy())
    }
}

/// An expression that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compiled(Expression<'static>);

impl Compiled {
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        check::size(text)?;
        let expression = jmespath::compile(text).map_err(|error| syntax(text, &error))?;
        check::meaning(text, expression.as_ast())?;
        Ok(Self(expression))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.as_str()
    }

    /// Or what is wrong, without a word of the data.
    pub(crate) fn search(&self, data: &Value) -> Result<Rcvar, String> {
        self.0.search(data).map_err(|error| error::runtime(&error))
    }

    fn search_text(&self, data: &str) -> Result<Rcvar, String> {
        self.0.search(data).map_err(|error| error::runtime(&error))
    }
}

#[cfg(test)]
mod tests;
